-- Stretches in which the chosen asset was not normal, as regions on its panels.
select
    n.since as time, coalesce(n.ended_at, n.last_at) as timeend,
    n.detector || ', severity ' || round(n.severity) as text, n.kind as tags
from anomaly n
where n.asset_id = nullif(${asset:sqlstring}, '')::integer and not n.retracted
    and n.since <= $__timeTo() and coalesce(n.ended_at, n.last_at) >= $__timeFrom()
order by n.since
