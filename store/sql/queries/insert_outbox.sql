-- Put a message into the outbox, once per idempotency key.
insert into outbox (idempotency_key, incident_id, channel, body, created_at, due_at)
values (%(idempotency_key)s, %(incident_id)s, %(channel)s, %(body)s::jsonb, %(created_at)s, %(created_at)s)
on conflict (idempotency_key) do nothing
