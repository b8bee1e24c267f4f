-- Event time of the latest score of each asset that has one. detectors: text[], the only ones that are looked at.
select s.asset_id, max(last.time) as time
from (
    select asset_id, series_id from series
    union all
    select asset_id, 0 from asset
) s
cross join unnest(%(detectors)s::text[]) as d (detector)
cross join lateral (
    select time
    from score
    where score.asset_id = s.asset_id and score.series_id = s.series_id and score.detector = d.detector
    order by time desc
    limit 1
) last
group by s.asset_id
