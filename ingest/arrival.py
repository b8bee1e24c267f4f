"""When a message arrived: now, or when a replay says that it did."""

from collections.abc import Iterable
from datetime import UTC, datetime

RECORDED_ARRIVAL = "cityvigil-received-at"
"""MQTT 5 user property in which a replay states the recorded arrival, as RFC 3339."""


def recorded_arrival(user_properties: Iterable[tuple[str, str]]) -> datetime | None:
    """Return the arrival time that a replay states, in UTC.

    Parameters
    ----------
    user_properties
        Names and values as the message carries them; of several recorded arrivals the last one counts.

    Returns
    -------
    None if none is stated, or if it cannot be read: then the message arrives now.
    """
    stated = [value for name, value in user_properties if name == RECORDED_ARRIVAL]
    return _parsed(stated[-1]) if stated else None


def _parsed(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
