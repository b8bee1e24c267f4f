-- What was broken at some time of a span, by start. since, until: event times, until exclusive.
select kind, planned, asset, affected, starts_at, ends_at, magnitude, effect
from label.fault
where starts_at < %(until)s and ends_at > %(since)s
order by starts_at, asset, kind
