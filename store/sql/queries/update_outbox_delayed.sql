-- Put off a message that could not be sent; failed_at ends the attempts. outbox_id; due_at; failed_at; last_error.
update outbox
set attempts = attempts + 1, due_at = %(due_at)s, failed_at = %(failed_at)s, last_error = %(last_error)s
where outbox_id = %(outbox_id)s
