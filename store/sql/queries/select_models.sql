-- The latest model of each asset.
select distinct on (asset_id) asset_id, model_id, version, trained_until
from model
order by asset_id, trained_until desc, model_id desc
