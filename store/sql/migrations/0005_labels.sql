-- What a simulation broke, so that what was found can be compared with it. In a schema of its own: no detector, rule
-- or route of the service reads here.
create schema label;

create table label.fault (
    fault_id bigint generated always as identity primary key,
    kind text not null,
    planned boolean not null,
    asset text not null,
    affected text[] not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    magnitude double precision not null,
    effect text not null,
    check (ends_at > starts_at),
    unique (kind, asset, starts_at)
);
create index fault_starts on label.fault (starts_at);
