-- Records what a simulation broke, once each. Arrays of equal length; affected: JSON arrays of names of assets.
insert into label.fault (kind, planned, asset, affected, starts_at, ends_at, magnitude, effect)
select kind, planned, asset, array(select jsonb_array_elements_text(affected)), starts_at, ends_at, magnitude, effect
from unnest(
    %(kinds)s::text[], %(planned)s::boolean[], %(assets)s::text[], %(affected)s::jsonb[], %(starts)s::timestamptz[],
    %(ends)s::timestamptz[], %(magnitudes)s::double precision[], %(effects)s::text[]
) as given (kind, planned, asset, affected, starts_at, ends_at, magnitude, effect)
on conflict (kind, asset, starts_at) do nothing
