-- Mark a message as sent. outbox_id; at: timestamptz.
update outbox
set sent_at = %(at)s, attempts = attempts + 1, last_error = ''
where outbox_id = %(outbox_id)s
