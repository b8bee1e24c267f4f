-- Let one alerts process at a time change an asset's incidents. asset_id. Holds until the transaction ends.
select asset_id, name, domain, kind, zone, latitude, longitude
from asset
where asset_id = %(asset_id)s
for update
