-- Open an incident.
insert into incident (asset_id, kind, state, opened_at, updated_at, calm_since, severity, explanation)
values (
    %(asset_id)s, %(kind)s, 'open', %(opened_at)s, %(updated_at)s, %(calm_since)s, %(severity)s, %(explanation)s
)
returning incident_id
