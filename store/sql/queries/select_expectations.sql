-- Band of one series in a span, oldest first. series_id; since, until: timestamptz, inclusive.
select time, centre, lower, upper
from expectation
where series_id = %(series_id)s and time between %(since)s and %(until)s
order by time
