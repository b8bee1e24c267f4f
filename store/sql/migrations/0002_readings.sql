-- What arrived: readings, events, what contradicted them, what could not be read, and the account of it all.

-- One row per committed transaction of ingest. A reader that asks for all batches from one transaction horizon to
-- the next misses none, in whatever order the writers commit.
create table ingest_batch (
    batch_id bigint generated always as identity primary key,
    batch_key uuid not null unique,
    xid xid8 not null default pg_current_xact_id(),
    source text not null check (source in ('live', 'backfill')),
    written_at timestamptz not null default now(),
    reading_from timestamptz,
    reading_until timestamptz,
    series_ids integer[] not null default '{}'
);
create index ingest_batch_xid on ingest_batch (xid);

comment on column ingest_batch.batch_key is 'made by the writer, so that it can tell whether a commit whose answer was lost took place';

-- No foreign keys here: a hypertable of this size must not pay for one per row. The registry never loses a series.
create table reading (
    time timestamptz not null,
    value double precision not null,
    received_at timestamptz not null,
    batch_id bigint not null,
    series_id integer not null,
    quality smallint not null check (quality in (1, 2, 3, 4, 9)),
    primary key (series_id, time)
);

create table reading_conflict (
    time timestamptz not null,
    value double precision not null,
    received_at timestamptz not null,
    batch_id bigint not null,
    series_id integer not null
);
create index reading_conflict_series on reading_conflict (series_id, time);

create table event (
    time timestamptz not null,
    received_at timestamptz not null,
    batch_id bigint not null,
    asset_id integer not null,
    kind text not null,
    attributes jsonb not null default '{}',
    primary key (asset_id, time, kind)
);

create table dead_letter (
    dead_letter_id bigint generated always as identity primary key,
    feed text not null,
    state text not null check (state in ('rejected', 'quarantined')),
    reason text not null,
    detail text not null,
    topic text not null,
    payload bytea not null,
    retained boolean not null,
    received_at timestamptz not null,
    batch_id bigint not null references ingest_batch
);
create index dead_letter_received on dead_letter (received_at);

-- Messages without a time of their own take their arrival time; this remembers it for when they come again.
create table redelivery (
    digest bytea primary key,
    received_at timestamptz not null
);
create index redelivery_received on redelivery (received_at);

-- Counts since the beginning, one row per feed and ingest process, so that processes do not wait for each other.
create table feed_account (
    feed text not null,
    worker text not null,
    received bigint not null default 0,
    accepted bigint not null default 0,
    without_reading bigint not null default 0,
    rejected bigint not null default 0,
    stale_retained bigint not null default 0,
    quarantined bigint not null default 0,
    decoded bigint not null default 0,
    stored bigint not null default 0,
    duplicate bigint not null default 0,
    conflict bigint not null default 0,
    events_stored bigint not null default 0,
    events_duplicate bigint not null default 0,
    latest_event_at timestamptz,
    latest_arrival_at timestamptz,
    primary key (feed, worker),
    check (received = accepted + without_reading + rejected + stale_retained + quarantined),
    check (decoded = stored + duplicate + conflict)
);
