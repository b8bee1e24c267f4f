-- How many readings one series has in a span. series_id; since, until: timestamptz, inclusive.
select count(*)
from reading
where series_id = %(series_id)s and time between %(since)s and %(until)s
