"""How far the services are, as `cityvigil status` and the metrics show it."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from store.database import Connection, translated_errors
from store.queries import query


@dataclass(frozen=True, slots=True)
class EngineState:
    """How far the engine is.

    Attributes
    ----------
    moved_at
        The database's time of its last round; None if it never ran.
    judged_until
        Event time up to which it has judged; None likewise.
    models
        Assets that have a model.
    oldest_training
        Event time that the oldest of the latest models was trained until; None without models.
    """

    moved_at: datetime | None
    judged_until: datetime | None
    models: int
    oldest_training: datetime | None


def engine_state(connection: Connection) -> EngineState:
    """Return how far the engine is."""
    with translated_errors(), connection.cursor(row_factory=class_row(EngineState)) as cursor:
        state = cursor.execute(query("select_engine_state")).fetchone()
    return state or EngineState(None, None, 0, None)
