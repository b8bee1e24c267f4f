-- Zones that have assets.
select distinct coalesce(nullif(zone, ''), 'not known') as zone
from asset
order by 1
