-- The stored value of each of these keys, in the order given; null where there is none. Parallel arrays.
select r.value
from unnest(%(series_ids)s::integer[], %(times)s::timestamptz[]) with ordinality as k (series_id, time, place)
left join reading r on r.series_id = k.series_id and r.time = k.time
order by k.place
