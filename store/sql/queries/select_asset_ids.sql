-- Number of each asset that the registry has among these. names: text[].
select name, asset_id
from asset
where name = any (%(names)s::text[])
