-- The latest messages that could not be taken. count: at most so many.
select dead_letter_id, feed, state, reason, detail, topic, octet_length(payload) as payload_bytes, received_at
from dead_letter
order by dead_letter_id desc
limit %(count)s
