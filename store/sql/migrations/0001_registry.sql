-- Assets and their series: what there is to watch.
create table asset (
    asset_id integer generated always as identity primary key,
    name text not null unique,
    domain text not null check (domain in ('transport', 'water', 'lighting')),
    kind text not null,
    zone text not null default '',
    latitude double precision check (latitude between -90 and 90),
    longitude double precision check (longitude between -180 and 180),
    added_at timestamptz not null default now(),
    check ((latitude is null) = (longitude is null))
);

create table series (
    series_id integer generated always as identity primary key,
    asset_id integer not null references asset,
    metric text not null,
    unit text not null,
    expected_interval_s double precision check (expected_interval_s > 0),
    lower_limit double precision,
    upper_limit double precision,
    added_at timestamptz not null default now(),
    unique (asset_id, metric),
    check (lower_limit <= upper_limit)
);

comment on column series.unit is 'UCUM code; empty when nobody says it';
