"""`cityvigil status`: accounts, lag and model ages, for people or as JSON."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from core.clock import Clock
from store.accounts import FeedAccount, feed_accounts
from store.batches import latest_dead_letters
from store.database import connect
from store.incidents import outbox_counts, unended_by_domain
from store.migrate import check_schema
from store.status import engine_state

_MESSAGES = ("accepted", "without_reading", "rejected", "stale_retained", "quarantined")
_READINGS = ("stored", "duplicate", "conflict")
_DEAD_LETTERS = 5
_SECTION_ENDS = (_MESSAGES[-1], _READINGS[-1])


def closes(account: FeedAccount) -> bool:
    """Return whether what came equals what became of it."""
    counts = asdict(account)
    return bool(
        account.received == sum(counts[name] for name in _MESSAGES)
        and account.decoded == sum(counts[name] for name in _READINGS)
    )


def gather(database_url: str, clock: Clock) -> dict[str, Any]:
    """Return all that `status` shows; times are RFC 3339, ages and lags seconds."""
    with connect(database_url, "status") as connection:
        check_schema(connection)
        engine = engine_state(connection)
        now = clock.now()
        return {
            "now": now,
            "feeds": [{**asdict(a), "closes": closes(a)} for a in feed_accounts(connection)],
            "dead_letters": [asdict(letter) for letter in latest_dead_letters(connection, _DEAD_LETTERS)],
            "engine": {
                "judged_until": engine.judged_until,
                "lag_s": _age_s(engine.judged_until, now),
                "models": engine.models,
                "oldest_model_age_s": _age_s(engine.oldest_training, now),
            },
            "open_incidents": unended_by_domain(connection),
            "outbox": [asdict(count) for count in outbox_counts(connection)],
        }


def _age_s(time: datetime | None, now: datetime) -> float | None:
    return None if time is None else round((now - time).total_seconds(), 1)


def as_json(status: dict[str, Any]) -> str:
    """Return the status as one line of JSON."""
    return orjson.dumps(status).decode()


def show(status: dict[str, Any], console: Console) -> None:
    """Print the status for people."""
    console.print(accounts_table(status["feeds"]))
    engine = status["engine"]
    console.print(
        f"engine: judged until {_text(engine['judged_until'])}, lag {_text(engine['lag_s'])} s, "
        f"{engine['models']} models, the oldest trained {_text(engine['oldest_model_age_s'])} s ago"
    )
    incidents = ", ".join(f"{count} in {domain}" for domain, count in status["open_incidents"].items())
    console.print(f"open incidents: {incidents or 'none'}")
    for count in status["outbox"]:
        console.print(
            f"outbox {count['channel']}: {count['waiting']} wait, {count['sent']} sent, {count['failed']} failed"
        )
    for letter in status["dead_letters"]:
        console.print(
            f"dead letter {letter['dead_letter_id']}: {letter['reason']} on {letter['topic']}: {letter['detail']}",
            markup=False,
        )


def accounts_table(feeds: list[dict[str, Any]]) -> Table:
    """Return the accounts as a table, one column per feed: messages, then readings."""
    table = Table(title="account since the beginning", title_justify="left")
    table.add_column("count")
    for feed in feeds:
        table.add_column(feed["feed"], justify="right")
    for row in ("received", *_MESSAGES, "decoded", *_READINGS, "closes"):
        table.add_row(row.replace("_", " "), *(_text(feed[row]) for feed in feeds), end_section=row in _SECTION_ENDS)
    return table


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
