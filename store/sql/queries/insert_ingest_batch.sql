-- Open a batch; no row comes back when the same batch was committed before. batch_key: uuid; source; series_ids;
-- reading_from, reading_until: span of event times, null without readings.
insert into ingest_batch (batch_key, source, reading_from, reading_until, series_ids)
values (%(batch_key)s, %(source)s, %(reading_from)s, %(reading_until)s, %(series_ids)s::integer[])
on conflict (batch_key) do nothing
returning batch_id
