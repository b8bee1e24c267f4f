-- Add assets that the registry lacks; those that it has stay as they are. Parallel arrays, one element per asset.
insert into asset (name, domain, kind, zone, latitude, longitude)
select *
from unnest(
    %(names)s::text[], %(domains)s::text[], %(kinds)s::text[], %(zones)s::text[],
    %(latitudes)s::double precision[], %(longitudes)s::double precision[]
)
on conflict (name) do nothing
