-- Up to which transaction horizon a consumer has read. consumer.
select xid::text
from consumer_cursor
where consumer = %(consumer)s
