-- Readings of one series in a span, oldest first. series_id; since, until: timestamptz, inclusive; count: at most.
select time, value, quality
from reading
where series_id = %(series_id)s and time between %(since)s and %(until)s
order by time
limit %(count)s
