-- One incident. incident_id.
select
    i.incident_id, i.asset_id, a.name as asset, a.domain, a.kind as asset_kind, a.zone, a.latitude, a.longitude,
    i.kind, i.state, i.opened_at, i.updated_at, i.calm_since, i.resolved_at, i.severity, i.explanation
from incident i
join asset a using (asset_id)
where i.incident_id = %(incident_id)s
