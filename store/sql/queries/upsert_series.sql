-- Add series that the registry lacks; those that it has stay as they are. Parallel arrays, one element per series.
insert into series (asset_id, metric, unit, expected_interval_s, lower_limit, upper_limit)
select *
from unnest(
    %(asset_ids)s::integer[], %(metrics)s::text[], %(units)s::text[], %(intervals_s)s::double precision[],
    %(lower_limits)s::double precision[], %(upper_limits)s::double precision[]
)
on conflict (asset_id, metric) do nothing
