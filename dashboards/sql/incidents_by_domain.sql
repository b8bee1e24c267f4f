-- How many incidents are not ended, by domain; 0 where there is none.
select d.domain, count(i.incident_id) as incidents
from (values ('transport'), ('water'), ('lighting')) as d (domain)
left join asset a on a.domain = d.domain
left join incident i on i.asset_id = a.asset_id and i.state not in ('resolved', 'dismissed')
group by d.domain
order by d.domain
