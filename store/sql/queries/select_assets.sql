-- Every asset.
select asset_id, name, domain, kind, zone, latitude, longitude
from asset
order by asset_id
