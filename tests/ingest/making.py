"""Messages in City Vigil's own JSON, and what the store holds, for tests of ingest."""

import json
from datetime import UTC, datetime
from typing import Any

from core.message import Message
from store.accounts import FeedAccount, feed_accounts
from store.database import Connection

ARRIVAL = datetime(2026, 3, 1, 12, tzinfo=UTC)
FEED = "cityvigil_json"


def payload_of(**content: Any) -> bytes:
    return json.dumps(content).encode()


def reading(metric: str = "flow", value: float | None = 1.0, unit: str = "m3/h", **more: Any) -> dict[str, Any]:
    return {"metric": metric, "value": value, "unit": unit, **more}


def message(
    device: str,
    *readings: dict[str, Any],
    time: datetime | str | None = None,
    received_at: datetime = ARRIVAL,
    retained: bool = False,
    duplicate: bool = False,
    **content: Any,
) -> Message:
    if time is not None:
        content["time"] = time if isinstance(time, str) else time.isoformat()
    payload = payload_of(readings=list(readings), **content)
    return Message(f"cityvigil/v1/water/dma/{device}", payload, received_at, retained, duplicate)


def account(connection: Connection, feed: str = FEED) -> FeedAccount:
    """Return a feed's account, zeros if it has none."""
    found = [a for a in feed_accounts(connection) if a.feed == feed]
    return found[0] if found else FeedAccount(feed=feed)


def stored_values(connection: Connection) -> list[tuple[str, str, datetime, float]]:
    """Return asset, metric, event time and value of every reading, in this order."""
    return connection.execute(
        "select a.name, s.metric, r.time, r.value from reading r join series s using (series_id)"
        " join asset a using (asset_id) order by 1, 2, 3"
    ).fetchall()


def reasons(connection: Connection) -> list[tuple[str, str]]:
    """Return state and reason of every dead letter, in the order in which they were kept."""
    return connection.execute("select state, reason from dead_letter order by dead_letter_id").fetchall()
