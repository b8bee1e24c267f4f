-- Anomalies of one asset that last or ended since a time. asset_id; ended_after: timestamptz.
select
    anomaly_id, asset_id, series_id, detector, kind, since, last_at, ended_at, retracted, detected_at, p_value,
    severity, score, threshold, model_version, evidence
from anomaly
where asset_id = %(asset_id)s and (ended_at is null or ended_at >= %(ended_after)s)
order by anomaly_id
