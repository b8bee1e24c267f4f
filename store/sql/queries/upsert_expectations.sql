-- Write what a model expects; a newer model's word replaces an older one's. Parallel arrays, one element per time.
insert into expectation (series_id, time, centre, lower, upper, model_id)
select series_id, time, centre, lower, upper, %(model_id)s
from unnest(
    %(series_ids)s::integer[], %(times)s::timestamptz[], %(centres)s::double precision[],
    %(lowers)s::double precision[], %(uppers)s::double precision[]
) as e (series_id, time, centre, lower, upper)
on conflict (series_id, time) do update
set centre = excluded.centre, lower = excluded.lower, upper = excluded.upper, model_id = excluded.model_id
