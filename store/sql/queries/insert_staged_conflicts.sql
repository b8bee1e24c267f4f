-- Keep what the stage says otherwise than the store, and count both kinds of row that were not stored.
with old as (
    select g.series_id, g.time, g.value, g.received_at, g.batch_id, r.value is distinct from g.value as differs
    from reading_stage g
    join reading r on r.series_id = g.series_id and r.time = g.time
    where r.batch_id <> g.batch_id
),
kept as (
    insert into reading_conflict (series_id, time, value, received_at, batch_id)
    select series_id, time, value, received_at, batch_id
    from old
    where differs
)
select count(*) filter (where not differs) as duplicates, count(*) filter (where differs) as conflicts
from old
