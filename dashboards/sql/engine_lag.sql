-- How far the engine is behind the latest event of any feed, in seconds of event time.
select greatest(0, extract(epoch from f.latest - c.watermark))::double precision as lag
from consumer_cursor c
cross join (select max(latest_event_at) as latest from feed_account) f
where c.consumer = 'engine'
