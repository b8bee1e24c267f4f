-- The present transaction horizon: all that is below it is committed or gone.
select pg_snapshot_xmin(pg_current_snapshot())::text
