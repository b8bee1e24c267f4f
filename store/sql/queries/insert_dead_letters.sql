-- Keep messages that could not be taken. Parallel arrays, one element per message.
insert into dead_letter (feed, state, reason, detail, topic, payload, retained, received_at, batch_id)
select feed, state, reason, detail, topic, payload, retained, received_at, %(batch_id)s
from unnest(
    %(feeds)s::text[], %(states)s::text[], %(reasons)s::text[], %(details)s::text[], %(topics)s::text[],
    %(payloads)s::bytea[], %(retained)s::boolean[], %(received_ats)s::timestamptz[]
) as d (feed, state, reason, detail, topic, payload, retained, received_at)
