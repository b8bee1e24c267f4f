-- Change an incident; its asset and number stay.
update incident
set kind = %(kind)s, state = %(state)s, opened_at = %(opened_at)s, updated_at = %(updated_at)s,
    calm_since = %(calm_since)s, resolved_at = %(resolved_at)s, severity = %(severity)s,
    explanation = %(explanation)s
where incident_id = %(incident_id)s
