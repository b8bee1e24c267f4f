-- One series, with its asset's number and name. series_id.
select
    s.series_id, a.asset_id, a.name as asset, s.metric, s.unit, s.expected_interval_s, s.lower_limit, s.upper_limit
from series s
join asset a using (asset_id)
where s.series_id = %(series_id)s
