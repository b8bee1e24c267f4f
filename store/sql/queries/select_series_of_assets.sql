-- Every series of these assets. asset_ids: integer[].
select
    s.series_id, a.asset_id, a.name as asset, s.metric, s.unit, s.expected_interval_s, s.lower_limit, s.upper_limit
from series s
join asset a using (asset_id)
where s.asset_id = any (%(asset_ids)s::integer[])
order by s.series_id
