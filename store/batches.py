"""One batch of ingest: readings, events and dead letters in one transaction with the account of them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import orjson
import psycopg
from numpy.typing import NDArray
from psycopg.rows import class_row

from core.event import AttributeValue
from core.reading import Reading
from store.copying import ReadingColumns, pack_readings
from store.database import Connection, translated_errors
from store.queries import query

Source = Literal["live", "backfill"]


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event of a registered asset."""

    asset_id: int
    time: datetime
    kind: str
    attributes: Mapping[str, AttributeValue]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A message that could not be taken, as it is kept. `topic` holds no secret."""

    feed: str
    state: Literal["rejected", "quarantined"]
    reason: str
    detail: str
    topic: str
    payload: bytes
    retained: bool
    received_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetterSummary:
    """A dead letter without its bytes."""

    dead_letter_id: int
    feed: str
    state: str
    reason: str
    detail: str
    topic: str
    payload_bytes: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class WrittenReadings:
    """What became of the readings of a batch that had each key once."""

    stored: int
    duplicate: int
    conflict: int


def open_batch(connection: Connection, key: uuid.UUID, source: Source, columns: ReadingColumns) -> int | None:
    """Open a batch inside the caller's transaction and return its number; None if it was committed before.

    Parameters
    ----------
    key
        The writer's own name for the batch: after a commit whose answer was lost, the same key tells.
    columns
        The readings that the batch is going to hold; may be empty.
    """
    parameters = {
        "batch_key": key,
        "source": source,
        "reading_from": columns.time.min().item() if len(columns) else None,
        "reading_until": columns.time.max().item() if len(columns) else None,
        "series_ids": sorted(set(columns.series_id.tolist())),
    }
    with translated_errors():
        row = connection.execute(query("insert_ingest_batch"), parameters).fetchone()
    return None if row is None else int(row[0])


def write_readings(connection: Connection, batch_id: int, columns: ReadingColumns) -> WrittenReadings:
    """Store readings whose keys are unique among themselves; inside the caller's transaction.

    A plain COPY first: it is what the database takes fastest, and nearly always right. Only if one of the keys
    is stored already do all of them go through a stage.
    """
    if not len(columns):
        return WrittenReadings(0, 0, 0)
    packed = pack_readings(columns.sorted_by_key(), batch_id)
    with translated_errors():
        try:
            with connection.transaction():
                _copy(connection, "copy_readings", packed)
            return WrittenReadings(len(columns), 0, 0)
        except psycopg.errors.UniqueViolation:
            return _write_through_stage(connection, packed)


def _write_through_stage(connection: Connection, packed: bytes) -> WrittenReadings:
    connection.execute(query("create_reading_stage"))
    _copy(connection, "copy_reading_stage", packed)
    stored = connection.execute(query("insert_staged_readings")).rowcount
    duplicates, conflicts = connection.execute(query("insert_staged_conflicts")).fetchone() or (0, 0)
    return WrittenReadings(stored, duplicates, conflicts)


def _copy(connection: Connection, name: str, packed: bytes) -> None:
    with connection.cursor() as cursor, cursor.copy(query(name)) as copy:
        copy.write(packed)


def stored_values(connection: Connection, keys: ReadingColumns) -> NDArray[np.float64]:
    """Return the value that is stored under each reading's key, as shape (n,); NaN where there is none."""
    parameters = {"series_ids": keys.series_id.tolist(), "times": keys.time.tolist()}
    with translated_errors():
        rows = connection.execute(query("select_values_of_keys"), parameters).fetchall()
    return np.array([value for (value,) in rows], dtype=np.float64)


def write_conflicts(connection: Connection, batch_id: int, conflicts: Sequence[Reading]) -> None:
    """Keep readings that contradict an earlier one of the same batch; inside the caller's transaction."""
    if not conflicts:
        return
    parameters = {
        "batch_id": batch_id,
        "series_ids": [c.series_id for c in conflicts],
        "times": [c.time for c in conflicts],
        "values": [c.value for c in conflicts],
        "received_ats": [c.received_at for c in conflicts],
    }
    with translated_errors():
        connection.execute(query("insert_reading_conflicts"), parameters)


def write_events(connection: Connection, batch_id: int, events: Sequence[EventRow]) -> int:
    """Store events and return how many were new; inside the caller's transaction."""
    if not events:
        return 0
    parameters = {
        "batch_id": batch_id,
        "asset_ids": [e.asset_id for e in events],
        "times": [e.time for e in events],
        "kinds": [e.kind for e in events],
        "attributes": [orjson.dumps(dict(e.attributes)).decode() for e in events],
        "received_ats": [e.received_at for e in events],
    }
    with translated_errors():
        return connection.execute(query("insert_events"), parameters).rowcount


def write_dead_letters(connection: Connection, batch_id: int, letters: Sequence[DeadLetterRow]) -> None:
    """Keep messages that could not be taken; inside the caller's transaction."""
    if not letters:
        return
    parameters = {
        "batch_id": batch_id,
        "feeds": [d.feed for d in letters],
        "states": [d.state for d in letters],
        "reasons": [d.reason for d in letters],
        "details": [d.detail for d in letters],
        "topics": [d.topic for d in letters],
        "payloads": [d.payload for d in letters],
        "retained": [d.retained for d in letters],
        "received_ats": [d.received_at for d in letters],
    }
    with translated_errors():
        connection.execute(query("insert_dead_letters"), parameters)


def latest_dead_letters(connection: Connection, count: int) -> list[DeadLetterSummary]:
    """Return the latest messages that could not be taken, newest first."""
    with translated_errors(), connection.cursor(row_factory=class_row(DeadLetterSummary)) as cursor:
        return cursor.execute(query("select_dead_letters"), {"count": count}).fetchall()


def remember_arrivals(connection: Connection, arrivals: Mapping[bytes, datetime]) -> None:
    """Remember when messages without a time of their own arrived, by digest; inside the caller's transaction."""
    if not arrivals:
        return
    ordered = sorted(arrivals.items())
    parameters = {"digests": [d for d, _ in ordered], "received_ats": [t for _, t in ordered]}
    with translated_errors():
        connection.execute(query("upsert_redeliveries"), parameters)


def first_arrivals(connection: Connection, digests: Sequence[bytes], not_before: datetime) -> dict[bytes, datetime]:
    """Return when these messages arrived before, for those that did since `not_before`."""
    if not digests:
        return {}
    parameters = {"digests": list(digests), "not_before": not_before}
    with translated_errors():
        return {bytes(digest): at for digest, at in connection.execute(query("select_redeliveries"), parameters)}


def forget_arrivals(connection: Connection, before: datetime) -> None:
    """Forget arrivals that no broker will repeat any more."""
    with translated_errors():
        connection.execute(query("delete_redeliveries"), {"before": before})
