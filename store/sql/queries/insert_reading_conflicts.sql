-- Keep values that contradict one of the same batch. Parallel arrays, one element per value.
insert into reading_conflict (series_id, time, value, received_at, batch_id)
select series_id, time, value, received_at, %(batch_id)s
from unnest(
    %(series_ids)s::integer[], %(times)s::timestamptz[], %(values)s::double precision[],
    %(received_ats)s::timestamptz[]
) as c (series_id, time, value, received_at)
