-- Store events; an event that is there already stays as it is. Parallel arrays, one element per event.
insert into event (asset_id, time, kind, attributes, received_at, batch_id)
select asset_id, time, kind, attributes, received_at, %(batch_id)s
from unnest(
    %(asset_ids)s::integer[], %(times)s::timestamptz[], %(kinds)s::text[], %(attributes)s::jsonb[],
    %(received_ats)s::timestamptz[]
) as e (asset_id, time, kind, attributes, received_at)
on conflict (asset_id, time, kind) do nothing
