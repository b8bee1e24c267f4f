-- Add a batch's counts to a feed's account.
insert into feed_account as account (
    feed, worker, received, accepted, without_reading, rejected, stale_retained, quarantined, decoded, stored,
    duplicate, conflict, events_stored, events_duplicate, latest_event_at, latest_arrival_at
)
values (
    %(feed)s, %(worker)s, %(received)s, %(accepted)s, %(without_reading)s, %(rejected)s, %(stale_retained)s,
    %(quarantined)s, %(decoded)s, %(stored)s, %(duplicate)s, %(conflict)s, %(events_stored)s, %(events_duplicate)s,
    %(latest_event_at)s, %(latest_arrival_at)s
)
on conflict (feed, worker) do update
set received = account.received + excluded.received,
    accepted = account.accepted + excluded.accepted,
    without_reading = account.without_reading + excluded.without_reading,
    rejected = account.rejected + excluded.rejected,
    stale_retained = account.stale_retained + excluded.stale_retained,
    quarantined = account.quarantined + excluded.quarantined,
    decoded = account.decoded + excluded.decoded,
    stored = account.stored + excluded.stored,
    duplicate = account.duplicate + excluded.duplicate,
    conflict = account.conflict + excluded.conflict,
    events_stored = account.events_stored + excluded.events_stored,
    events_duplicate = account.events_duplicate + excluded.events_duplicate,
    latest_event_at = greatest(account.latest_event_at, excluded.latest_event_at),
    latest_arrival_at = greatest(account.latest_arrival_at, excluded.latest_arrival_at)
