-- The chosen series: mean of each step.
select $__timeGroupAlias(time, $__interval), avg(value) as observed
from reading
where series_id = nullif(${series:sqlstring}, '')::integer and $__timeFilter(time)
group by 1
order by 1
