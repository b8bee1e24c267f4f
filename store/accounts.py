"""The account of each feed: what came must equal what became of it."""

from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg.rows import class_row

from store.database import Connection, translated_errors
from store.queries import query


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAccount:
    """Counts of one feed.

    `received = accepted + without_reading + rejected + stale_retained + quarantined` (messages) and
    `decoded = stored + duplicate + conflict` (readings) hold in every row; the database checks it too.
    """

    feed: str
    received: int = 0
    accepted: int = 0
    without_reading: int = 0
    rejected: int = 0
    stale_retained: int = 0
    quarantined: int = 0
    decoded: int = 0
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    events_stored: int = 0
    events_duplicate: int = 0
    latest_event_at: datetime | None = None
    latest_arrival_at: datetime | None = None


def add_to_account(connection: Connection, worker: str, counts: FeedAccount) -> None:
    """Add a batch's counts to what this worker has counted so far; part of the batch's transaction."""
    with translated_errors():
        connection.execute(query("upsert_feed_account"), {"worker": worker, **asdict(counts)})


def feed_accounts(connection: Connection) -> list[FeedAccount]:
    """Return the account of every feed, over all workers, since the beginning."""
    with translated_errors(), connection.cursor(row_factory=class_row(FeedAccount)) as cursor:
        return cursor.execute(query("select_feed_accounts")).fetchall()
