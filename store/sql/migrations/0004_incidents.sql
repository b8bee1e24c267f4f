-- Incidents, their history, and the messages that tell of them.
create table incident (
    incident_id bigint generated always as identity primary key,
    asset_id integer not null references asset,
    kind text not null check (kind in ('sensor', 'asset')),
    state text not null check (state in ('open', 'acknowledged', 'in_progress', 'resolved', 'dismissed')),
    opened_at timestamptz not null,
    updated_at timestamptz not null,
    calm_since timestamptz,
    resolved_at timestamptz,
    severity double precision not null check (severity between 0 and 100),
    explanation text not null
);
-- One fault, one incident: an asset has at most one that is not ended.
create unique index incident_unended on incident (asset_id) where state not in ('resolved', 'dismissed');
create index incident_opened on incident (opened_at desc);

create table incident_anomaly (
    incident_id bigint not null references incident,
    anomaly_id bigint not null references anomaly,
    primary key (incident_id, anomaly_id)
);
create index incident_anomaly_anomaly on incident_anomaly (anomaly_id);

create table incident_event (
    incident_event_id bigint generated always as identity primary key,
    incident_id bigint not null references incident,
    at timestamptz not null,
    actor text not null,
    change text not null,
    reason text not null
);
create index incident_event_incident on incident_event (incident_id, incident_event_id);

create table outbox (
    outbox_id bigint generated always as identity primary key,
    idempotency_key text not null unique,
    incident_id bigint not null references incident,
    channel text not null,
    body jsonb not null,
    created_at timestamptz not null,
    due_at timestamptz not null,
    attempts integer not null default 0,
    sent_at timestamptz,
    failed_at timestamptz,
    last_error text not null default ''
);
create index outbox_due on outbox (due_at) where sent_at is null and failed_at is null;
