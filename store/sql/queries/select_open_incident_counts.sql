-- Unended incidents by domain.
select a.domain, count(*) as incidents
from incident i
join asset a using (asset_id)
where i.state not in ('resolved', 'dismissed')
group by a.domain
order by a.domain
