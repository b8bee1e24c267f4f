-- Record a fitted model; the same version of the same asset's model is recorded once.
insert into model (asset_id, version, detectors, trained_from, trained_until, fitted_at, parameters)
values (
    %(asset_id)s, %(version)s, %(detectors)s::text[], %(trained_from)s, %(trained_until)s, %(fitted_at)s,
    %(parameters)s::jsonb
)
on conflict (asset_id, version) do update
set fitted_at = excluded.fitted_at
returning model_id
