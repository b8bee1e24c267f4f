-- Messages to be sent now; locked, so that two senders do not send the same one. now: timestamptz; count.
select outbox_id, idempotency_key, incident_id, channel, body, attempts
from outbox
where sent_at is null and failed_at is null and due_at <= %(now)s
order by due_at, outbox_id
limit %(count)s
for update skip locked
