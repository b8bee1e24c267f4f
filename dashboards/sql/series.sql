-- Series of the chosen asset, named with their unit.
select metric || case when unit = '' then '' else ' in ' || unit end as __text, series_id as __value
from series
where asset_id = nullif(${asset:sqlstring}, '')::integer
order by metric
