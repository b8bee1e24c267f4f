-- What the model expects of the chosen series: mean centre and widest band of each step.
select
    $__timeGroupAlias(time, $__interval), avg(centre) as expected, min(lower) as lower, max(upper) as upper
from expectation
where series_id = nullif(${series:sqlstring}, '')::integer and $__timeFilter(time)
group by 1
order by 1
