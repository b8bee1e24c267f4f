-- Revise an anomaly; its subject, detector and moment of detection stay. evidence: jsonb.
update anomaly
set since = %(since)s, last_at = %(last_at)s, ended_at = %(ended_at)s, retracted = %(retracted)s,
    p_value = %(p_value)s, severity = %(severity)s, score = %(score)s, model_version = %(model_version)s,
    evidence = %(evidence)s::jsonb, xid = pg_current_xact_id()
where anomaly_id = %(anomaly_id)s
