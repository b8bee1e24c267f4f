-- The readings that these batches stored. batch_ids: bigint[].
select r.series_id, r.time, r.value, r.quality
from ingest_batch b
join reading r
    on r.series_id = any (b.series_ids)
    and r.time between b.reading_from and b.reading_until
    and r.batch_id = b.batch_id
where b.batch_id = any (%(batch_ids)s::bigint[])
