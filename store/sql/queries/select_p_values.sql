-- P-values of all detectors of one asset in a span. asset_id; since, until: timestamptz, inclusive.
select series_id, detector, time, p_value
from score
where asset_id = %(asset_id)s and time between %(since)s and %(until)s
