-- The table that remembers which migrations were applied.
create table if not exists schema_migration (
    number integer primary key,
    name text not null,
    digest text not null,
    applied_at timestamptz not null default now()
)
