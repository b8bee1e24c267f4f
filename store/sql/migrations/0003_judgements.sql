-- What the engine makes of readings: models, expectations, scores, anomalies.
create table model (
    model_id integer generated always as identity primary key,
    asset_id integer not null references asset,
    version text not null,
    detectors text[] not null,
    trained_from timestamptz not null,
    trained_until timestamptz not null,
    fitted_at timestamptz not null,
    parameters jsonb not null,
    unique (asset_id, version)
);

create table expectation (
    time timestamptz not null,
    centre double precision not null,
    lower double precision not null,
    upper double precision not null,
    series_id integer not null,
    model_id integer not null,
    primary key (series_id, time)
);

-- series_id is 0 for a judgement over all signals of the asset together.
create table score (
    time timestamptz not null,
    score double precision not null,
    p_value double precision not null check (p_value between 0 and 1),
    asset_id integer not null,
    series_id integer not null,
    model_id integer not null,
    detector text not null,
    primary key (asset_id, series_id, detector, time)
);

create table anomaly (
    anomaly_id bigint generated always as identity primary key,
    asset_id integer not null references asset,
    series_id integer references series,
    detector text not null,
    kind text not null check (kind in ('sensor', 'asset')),
    since timestamptz not null,
    last_at timestamptz not null,
    ended_at timestamptz,
    retracted boolean not null default false,
    detected_at timestamptz not null,
    p_value double precision not null,
    severity double precision not null check (severity between 0 and 100),
    score double precision not null,
    threshold double precision not null,
    model_version text not null,
    evidence jsonb not null,
    xid xid8 not null default pg_current_xact_id()
);
create index anomaly_xid on anomaly (xid);
create index anomaly_subject on anomaly (asset_id, detector, last_at);

-- Up to which transaction horizon each consumer has read.
create table consumer_cursor (
    consumer text primary key,
    xid xid8 not null,
    watermark timestamptz,
    moved_at timestamptz not null default now()
);

comment on column consumer_cursor.watermark is 'event time up to which the consumer has worked';
