-- First and last event time of the readings of some series. series_ids: integer[].
select min(first.time), max(last.time)
from unnest(%(series_ids)s::integer[]) as wanted (series_id)
cross join lateral (
    select time from reading where reading.series_id = wanted.series_id order by time limit 1
) first
cross join lateral (
    select time from reading where reading.series_id = wanted.series_id order by time desc limit 1
) last
