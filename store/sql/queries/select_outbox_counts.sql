-- How many messages wait, were sent, and were given up, by channel.
select
    channel,
    count(*) filter (where sent_at is null and failed_at is null) as waiting,
    count(*) filter (where sent_at is not null) as sent,
    count(*) filter (where failed_at is not null) as failed
from outbox
group by channel
order by channel
