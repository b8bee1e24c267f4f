-- Batches that became visible since a transaction horizon, and the next horizon. after: xid8 as text.
-- A batch below the next horizon is committed for certain; one above it is left for the next call, so that a writer
-- that commits late is not passed over. One row with a null batch comes back when there is nothing new.
with horizon as (
    select pg_snapshot_xmin(pg_current_snapshot()) as xid
)
select h.xid::text as horizon, b.batch_id
from horizon h
left join ingest_batch b on b.xid >= %(after)s::xid8 and b.xid < h.xid
order by b.batch_id
