-- Remember up to which transaction horizon a consumer has read. consumer; xid: xid8 as text;
-- watermark: event time up to which it has worked, null when it knows none.
insert into consumer_cursor (consumer, xid, watermark)
values (%(consumer)s, %(xid)s::xid8, %(watermark)s)
on conflict (consumer) do update
set xid = excluded.xid, watermark = coalesce(excluded.watermark, consumer_cursor.watermark), moved_at = now()
