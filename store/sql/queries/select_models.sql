-- The latest model of each asset.
select distinct on (asset_id) model_id, asset_id, version, detectors, trained_from, trained_until, fitted_at
from model
order by asset_id, fitted_at desc
