-- Record an anomaly. evidence: jsonb, a list by falling share.
insert into anomaly (
    asset_id, series_id, detector, kind, since, last_at, ended_at, retracted, detected_at, p_value, severity, score,
    threshold, model_version, evidence
)
values (
    %(asset_id)s, %(series_id)s, %(detector)s, %(kind)s, %(since)s, %(last_at)s, %(ended_at)s, %(retracted)s,
    %(detected_at)s, %(p_value)s, %(severity)s, %(score)s, %(threshold)s, %(model_version)s, %(evidence)s::jsonb
)
returning anomaly_id
