-- Anomalies that last, or ended no longer ago than a time: what late data can still change. ended_after: timestamptz.
select
    anomaly_id, asset_id, series_id, detector, kind, since, last_at, ended_at, retracted, detected_at, p_value,
    severity, score, threshold, model_version, evidence
from anomaly
where not retracted and (ended_at is null or ended_at >= %(ended_after)s)
order by anomaly_id
