-- The account of each feed since the beginning: messages first, then readings.
select
    feed,
    sum(received)::bigint as received,
    sum(accepted)::bigint as accepted,
    sum(without_reading)::bigint as "without reading",
    sum(rejected)::bigint as rejected,
    sum(quarantined)::bigint as quarantined,
    sum(stored)::bigint as stored,
    sum(duplicate)::bigint as duplicate,
    sum(conflict)::bigint as conflict,
    max(latest_arrival_at) as "latest message"
from feed_account
group by feed
order by feed
