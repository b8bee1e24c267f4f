-- How rare the anomalies of some incidents are, and how good the data behind them is. incident_ids: bigint[].
-- Readings are counted over the hour up to the last abnormal moment; an incident whose anomalies were all taken back
-- is left out.
with basis as (
    select m.incident_id, min(a.p_value) as p_value, max(a.threshold) as threshold, max(a.last_at) as last_at
    from incident_anomaly m
    join anomaly a using (anomaly_id)
    where m.incident_id = any (%(incident_ids)s::bigint[]) and not a.retracted
    group by m.incident_id
),
driver as (
    select distinct b.incident_id, b.last_at, (e.part ->> 'series_id')::integer as series_id
    from basis b
    join incident_anomaly m using (incident_id)
    join anomaly a using (anomaly_id)
    cross join lateral jsonb_array_elements(a.evidence) as e (part)
    where not a.retracted
),
counted as (
    select
        d.incident_id,
        sum(r.readings)::bigint as readings,
        sum(r.doubtful)::bigint as doubtful,
        sum(round(3600 / s.expected_interval_s))::bigint as expected
    from driver d
    join series s using (series_id)
    cross join lateral (
        select count(*) as readings, count(*) filter (where quality in (3, 4, 9)) as doubtful
        from reading
        where reading.series_id = d.series_id
            and reading.time > d.last_at - interval '1 hour' and reading.time <= d.last_at
    ) r
    group by d.incident_id
)
select
    b.incident_id, b.p_value, b.threshold, coalesce(c.readings, 0) as readings, coalesce(c.doubtful, 0) as doubtful,
    c.expected
from basis b
left join counted c using (incident_id)
