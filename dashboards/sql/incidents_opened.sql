-- Incidents opened in each step, by domain.
select $__timeGroupAlias(i.opened_at, $__interval), a.domain as metric, count(*) as value
from incident i
join asset a using (asset_id)
where $__timeFilter(i.opened_at)
group by 1, a.domain
order by 1
