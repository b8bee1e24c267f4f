"""Incidents, their history, and the outbox of their messages."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import orjson
from psycopg.rows import class_row

from store.database import Connection, translated_errors
from store.queries import query
from store.registry import StoredAsset


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRow:
    """An incident as it is stored, with what the registry says of its asset.

    Attributes
    ----------
    opened_at, calm_since, resolved_at
        Event times: first abnormal moment, last abnormal moment once nothing lasts (else None), end (None while open).
    updated_at
        Processing time of the last change.
    """

    incident_id: int
    asset_id: int
    asset: str
    domain: str
    asset_kind: str
    zone: str
    latitude: float | None
    longitude: float | None
    kind: str
    state: str
    opened_at: datetime
    updated_at: datetime
    calm_since: datetime | None
    resolved_at: datetime | None
    severity: float
    explanation: str


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """One line of an incident's history."""

    incident_event_id: int
    at: datetime
    actor: str
    change: str
    reason: str


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message that waits to be sent."""

    outbox_id: int
    idempotency_key: str
    incident_id: int
    channel: str
    body: Mapping[str, Any] = field(hash=False)
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class OutboxCount:
    """How many messages of a channel wait, were sent, and were given up."""

    channel: str
    waiting: int
    sent: int
    failed: int


def lock_asset(connection: Connection, asset_id: int) -> StoredAsset:
    """Keep other processes from changing this asset's incidents until the caller's transaction ends."""
    with translated_errors(), connection.cursor(row_factory=class_row(StoredAsset)) as cursor:
        found = cursor.execute(query("lock_asset"), {"asset_id": asset_id}).fetchone()
    assert found is not None  # noqa: S101 - a foreign key guarantees it
    return found


def latest_incident(connection: Connection, asset_id: int) -> IncidentRow | None:
    """Return the latest incident of an asset, ended or not; None if it never had one."""
    found = _incidents(connection, "select_latest_incident", {"asset_id": asset_id})
    return found[0] if found else None


def one_incident(connection: Connection, incident_id: int) -> IncidentRow | None:
    """Return one incident; None if there is no such number."""
    found = _incidents(connection, "select_one_incident", {"incident_id": incident_id})
    return found[0] if found else None


def incidents(connection: Connection, states: Sequence[str] | None, count: int) -> list[IncidentRow]:
    """Return incidents, newest first.

    Parameters
    ----------
    states
        Only these; None means all.
    count
        At most so many.
    """
    wanted = None if states is None else list(states)
    return _incidents(connection, "select_incidents", {"states": wanted, "count": count})


def _incidents(connection: Connection, name: str, parameters: dict[str, object]) -> list[IncidentRow]:
    with translated_errors(), connection.cursor(row_factory=class_row(IncidentRow)) as cursor:
        return cursor.execute(query(name), parameters).fetchall()


def calming_assets(connection: Connection, before: datetime) -> list[int]:
    """Return the assets whose unended incident has been calm since `before` (event time) or longer."""
    with translated_errors():
        return [row[0] for row in connection.execute(query("select_calming_incidents"), {"before": before})]


def add_incident(connection: Connection, incident: IncidentRow) -> int:
    """Open an incident and return its number; `incident.incident_id` is not looked at."""
    with translated_errors():
        row = connection.execute(query("insert_incident"), asdict(incident)).fetchone()
    return int(row[0]) if row else 0


def change_incident(connection: Connection, incident: IncidentRow) -> None:
    """Replace what is recorded of an incident."""
    with translated_errors():
        connection.execute(query("update_incident"), asdict(incident))


def put_under(connection: Connection, incident_id: int, anomaly_ids: Sequence[int]) -> None:
    """Put anomalies under an incident; those that are there already stay."""
    with translated_errors():
        parameters = {"incident_id": incident_id, "anomaly_ids": list(anomaly_ids)}
        connection.execute(query("insert_incident_anomalies"), parameters)


def record_change(connection: Connection, incident_id: int, at: datetime, actor: str, change: str, reason: str) -> int:
    """Record who changed an incident, when and why, and return the record's number."""
    parameters = {"incident_id": incident_id, "at": at, "actor": actor, "change": change, "reason": reason}
    with translated_errors():
        row = connection.execute(query("insert_incident_event"), parameters).fetchone()
    return int(row[0]) if row else 0


def history_of(connection: Connection, incident_id: int) -> list[IncidentChange]:
    """Return the history of an incident, oldest first."""
    with translated_errors(), connection.cursor(row_factory=class_row(IncidentChange)) as cursor:
        return cursor.execute(query("select_incident_events"), {"incident_id": incident_id}).fetchall()


def unended_by_domain(connection: Connection) -> dict[str, int]:
    """Count the incidents that are not ended, by domain; a domain without any is left out."""
    with translated_errors():
        return dict(connection.execute(query("select_open_incident_counts")))


def post(
    connection: Connection, key: str, incident_id: int, channel: str, body: Mapping[str, Any], at: datetime
) -> None:
    """Put a message into the outbox; a second one with the same key is the same message and changes nothing."""
    parameters = {
        "idempotency_key": key,
        "incident_id": incident_id,
        "channel": channel,
        "body": orjson.dumps(dict(body)).decode(),
        "created_at": at,
    }
    with translated_errors():
        connection.execute(query("insert_outbox"), parameters)


def due_messages(connection: Connection, now: datetime, count: int) -> list[OutboxMessage]:
    """Return messages to be sent now, locked until the caller's transaction ends."""
    with translated_errors(), connection.cursor(row_factory=class_row(OutboxMessage)) as cursor:
        return cursor.execute(query("select_due_outbox"), {"now": now, "count": count}).fetchall()


def mark_sent(connection: Connection, outbox_id: int, at: datetime) -> None:
    """Record that a message was taken by its channel."""
    with translated_errors():
        connection.execute(query("update_outbox_sent"), {"outbox_id": outbox_id, "at": at})


def mark_delayed(
    connection: Connection, outbox_id: int, due_at: datetime, failed_at: datetime | None, error: str
) -> None:
    """Record that a message was not taken, and when to try again; `failed_at` ends the attempts."""
    parameters = {"outbox_id": outbox_id, "due_at": due_at, "failed_at": failed_at, "last_error": error}
    with translated_errors():
        connection.execute(query("update_outbox_delayed"), parameters)


def outbox_counts(connection: Connection) -> list[OutboxCount]:
    """Count the outbox by channel."""
    with translated_errors(), connection.cursor(row_factory=class_row(OutboxCount)) as cursor:
        return cursor.execute(query("select_outbox_counts")).fetchall()
