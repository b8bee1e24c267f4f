-- Event and arrival time of the latest reading of each series, for those that have one.
select s.series_id, r.time, r.received_at
from series s
cross join lateral (
    select time, received_at
    from reading
    where reading.series_id = s.series_id
    order by time desc
    limit 1
) r
