-- Assets of the chosen zones that have series.
select name as __text, asset_id as __value
from asset a
where coalesce(nullif(zone, ''), 'not known') in (${zone:sqlstring})
    and exists (select 1 from series s where s.asset_id = a.asset_id)
order by name
