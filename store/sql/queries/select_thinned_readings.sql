-- Readings of one series in a span, gathered into equal steps: mean, extremes and worst quality of each.
-- series_id; since, until: timestamptz, inclusive; step_s: seconds.
select
    date_bin(make_interval(secs => %(step_s)s), time, timestamptz '2000-01-01 00:00:00+00') as time,
    avg(value) as value,
    min(value) as least,
    max(value) as largest,
    max(quality)::smallint as quality,
    count(*) as samples
from reading
where series_id = %(series_id)s and time between %(since)s and %(until)s
group by 1
order by 1
