"""What a simulation broke: written and read by whoever compares it with what was found, never by the service."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.database import Connection, translated_errors
from store.queries import query


class FaultLabel(NamedTuple):
    """One fault.

    Attributes
    ----------
    kind
        What broke.
    planned
        True for planned work, which is no fault.
    asset
        Name of the asset.
    affected
        Names of the assets on which it shows, the broken one first.
    starts_at, ends_at
        Event times, in UTC; the end is exclusive.
    magnitude
        1 for an ordinary one.
    effect
        In plain words.
    """

    kind: str
    planned: bool
    asset: str
    affected: list[str]
    starts_at: datetime
    ends_at: datetime
    magnitude: float
    effect: str


def add_fault_labels(connection: Connection, labels: Sequence[FaultLabel]) -> int:
    """Record faults and return how many were new: one of the same kind, asset and start is there already."""
    with translated_errors(), connection.transaction():
        return connection.execute(
            query("insert_fault_labels"),
            {
                "kinds": [label.kind for label in labels],
                "planned": [label.planned for label in labels],
                "assets": [label.asset for label in labels],
                "affected": [Jsonb(label.affected) for label in labels],
                "starts": [label.starts_at for label in labels],
                "ends": [label.ends_at for label in labels],
                "magnitudes": [label.magnitude for label in labels],
                "effects": [label.effect for label in labels],
            },
        ).rowcount


def fault_labels(connection: Connection, since: datetime, until: datetime) -> list[FaultLabel]:
    """Return the faults that held at some time of a span, by start."""
    with translated_errors(), connection.cursor(row_factory=class_row(FaultLabel)) as cursor:
        return cursor.execute(query("select_fault_labels"), {"since": since, "until": until}).fetchall()
