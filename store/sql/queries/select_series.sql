-- Every series, with its asset's number and name; asset_id narrows it to one asset, null means all.
select
    s.series_id, a.asset_id, a.name as asset, s.metric, s.unit, s.expected_interval_s, s.lower_limit, s.upper_limit
from series s
join asset a using (asset_id)
where %(asset_id)s::integer is null or a.asset_id = %(asset_id)s::integer
order by a.name, s.metric
