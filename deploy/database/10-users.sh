#!/bin/sh
# Makes City Vigil's user, who owns the database, and Grafana's, who can only read. Runs once, on an empty volume.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set database="$POSTGRES_DB" --set own="$DATABASE_PASSWORD" --set grafana="$GRAFANA_DATABASE_PASSWORD" <<'SQL'
create role cityvigil login password :'own';
alter database :"database" owner to cityvigil;
create role grafana login password :'grafana';
grant pg_read_all_data to grafana;
alter role grafana set default_transaction_read_only = on;
alter role grafana set statement_timeout = '30s';
SQL
