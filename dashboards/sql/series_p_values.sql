-- How rare each detector finds the chosen series: smallest p-value of each step.
select $__timeGroupAlias(c.time, $__interval), c.detector as metric, min(c.p_value) as value
from series s
join score c using (asset_id, series_id)
where s.series_id = nullif(${series:sqlstring}, '')::integer and $__timeFilter(c.time)
group by 1, c.detector
order by 1
