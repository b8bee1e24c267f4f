-- Incidents that are not ended, heaviest first, of the chosen zones.
select
    i.severity, a.name as asset, a.domain, coalesce(nullif(a.zone, ''), 'not known') as zone, i.state,
    i.opened_at as since, i.explanation, i.incident_id as incident
from incident i
join asset a using (asset_id)
where i.state not in ('resolved', 'dismissed') and coalesce(nullif(a.zone, ''), 'not known') in (${zone:sqlstring})
order by i.severity desc, i.opened_at desc
limit 200
