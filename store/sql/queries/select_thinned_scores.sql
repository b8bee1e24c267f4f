-- Scores of one series in a span, gathered into equal steps: the most abnormal of each detector, oldest first.
-- series_id; since, until: timestamptz, inclusive; step_s: seconds. A step with one row is that row.
select min(c.time) as time, c.detector, max(c.score) as score, min(c.p_value) as p_value
from series s
join score c using (asset_id, series_id)
where s.series_id = %(series_id)s and c.time between %(since)s and %(until)s
group by c.detector, date_bin(make_interval(secs => %(step_s)s), c.time, timestamptz '2000-01-01 00:00:00+00')
order by c.detector, 1
