-- Band of one series in a span, gathered into equal steps: mean centre and widest band of each, oldest first.
-- series_id; since, until: timestamptz, inclusive; step_s: seconds. A step with one row is that row.
select min(time) as time, avg(centre) as centre, min(lower) as lower, max(upper) as upper
from expectation
where series_id = %(series_id)s and time between %(since)s and %(until)s
group by date_bin(make_interval(secs => %(step_s)s), time, timestamptz '2000-01-01 00:00:00+00')
order by 1
