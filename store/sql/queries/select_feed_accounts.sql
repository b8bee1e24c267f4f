-- The account of every feed, over all ingest processes.
select
    feed,
    sum(received)::bigint as received,
    sum(accepted)::bigint as accepted,
    sum(without_reading)::bigint as without_reading,
    sum(rejected)::bigint as rejected,
    sum(stale_retained)::bigint as stale_retained,
    sum(quarantined)::bigint as quarantined,
    sum(decoded)::bigint as decoded,
    sum(stored)::bigint as stored,
    sum(duplicate)::bigint as duplicate,
    sum(conflict)::bigint as conflict,
    sum(events_stored)::bigint as events_stored,
    sum(events_duplicate)::bigint as events_duplicate,
    max(latest_event_at) as latest_event_at,
    max(latest_arrival_at) as latest_arrival_at
from feed_account
group by feed
order by feed
