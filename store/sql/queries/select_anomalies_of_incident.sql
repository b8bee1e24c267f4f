-- The anomalies that an incident is made of, weightiest first. incident_id.
select
    a.anomaly_id, a.asset_id, a.series_id, a.detector, a.kind, a.since, a.last_at, a.ended_at, a.retracted,
    a.detected_at, a.p_value, a.severity, a.score, a.threshold, a.model_version, a.evidence
from incident_anomaly m
join anomaly a using (anomaly_id)
where m.incident_id = %(incident_id)s
order by a.severity desc, a.anomaly_id
