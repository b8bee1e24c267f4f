-- Anomalies written or revised since a transaction horizon, and the next horizon. after: xid8 as text.
-- One row with a null anomaly comes back when there is nothing new.
with horizon as (
    select pg_snapshot_xmin(pg_current_snapshot()) as xid
)
select
    h.xid::text as horizon, a.anomaly_id, a.asset_id
from horizon h
left join anomaly a on a.xid >= %(after)s::xid8 and a.xid < h.xid
order by a.anomaly_id
