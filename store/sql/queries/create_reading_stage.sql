-- Where readings wait while it is found out which of them are new. Lives as long as the transaction.
create temporary table reading_stage (
    series_id integer not null,
    time timestamptz not null,
    value double precision not null,
    quality smallint not null,
    received_at timestamptz not null,
    batch_id bigint not null
) on commit drop
