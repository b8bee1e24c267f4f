-- Remember when messages without a time of their own arrived first. Parallel arrays, one element per message.
insert into redelivery (digest, received_at)
select *
from unnest(%(digests)s::bytea[], %(received_ats)s::timestamptz[])
on conflict (digest) do update
set received_at = excluded.received_at
