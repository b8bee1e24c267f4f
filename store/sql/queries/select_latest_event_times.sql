-- Latest event time of each of these series that has a reading which is not bad. series_ids: integer[].
select wanted.series_id, last.time
from unnest(%(series_ids)s::integer[]) as wanted (series_id)
cross join lateral (
    select time from reading where reading.series_id = wanted.series_id and quality <> 4 order by time desc limit 1
) last
