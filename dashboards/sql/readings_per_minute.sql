-- Readings a minute of each series of the chosen asset.
select
    $__timeGroupAlias(r.time, $__interval), s.metric,
    count(*) * 60000.0 / $__interval_ms as value
from series s
join reading r on r.series_id = s.series_id
where s.asset_id = nullif(${asset:sqlstring}, '')::integer and $__timeFilter(r.time)
group by 1, s.metric
order by 1
