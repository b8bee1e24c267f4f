-- Readings of some series on a grid: sum and count of what lies in (t - step, t], for each t that has any.
-- Bad values are left out. series_ids: integer[]; after, until: timestamptz; step_s: integer, seconds;
-- from_xid: xid8 as text, batches of this transaction or a later one are left out.
select
    series_id,
    date_bin(make_interval(secs => %(step_s)s), time - interval '1 microsecond', timestamptz '2000-01-01 00:00:00+00')
        + make_interval(secs => %(step_s)s) as step_end,
    sum(value) as total,
    count(*) as samples
from reading
where series_id = any (%(series_ids)s::integer[])
    and time > %(after)s and time <= %(until)s
    and quality <> 4
    and batch_id <> all (array(select batch_id from ingest_batch where xid >= %(from_xid)s::xid8))
group by series_id, step_end
order by series_id, step_end
