-- Readings of some series on a grid: mean, last value and count of what lies in (t - step, t], for each t that has
-- any. Bad values are left out. series_ids: integer[]; after, until: timestamptz; step_s: integer, seconds.
select
    series_id,
    date_bin(make_interval(secs => %(step_s)s), time - interval '1 microsecond', timestamptz '2000-01-01 00:00:00+00')
        + make_interval(secs => %(step_s)s) as step_end,
    avg(value) as mean,
    (array_agg(value order by time desc))[1] as last,
    count(*) as samples
from reading
where series_id = any (%(series_ids)s::integer[])
    and time > %(after)s and time <= %(until)s
    and quality <> 4
group by series_id, step_end
order by series_id, step_end
