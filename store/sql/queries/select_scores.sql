-- Scores of one series (0: of the asset as a whole) in a span. asset_id; series_id; since, until: timestamptz.
select time, detector, score, p_value
from score
where asset_id = %(asset_id)s and series_id = %(series_id)s and time between %(since)s and %(until)s
order by time, detector
