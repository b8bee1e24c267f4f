"""Event times that cannot be: a clock that was never set, a date from the future."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from core.message import Decoded, Rejected, RejectReason


def check_window(decoded: Decoded, received_at: datetime, back: timedelta, ahead: timedelta) -> Rejected | None:
    """Refuse a message if any of its event times is further from its arrival than the feed allows.

    The message as a whole is refused: what a device with a wrong clock says at one time is not to be trusted at
    another.

    Parameters
    ----------
    decoded
        What the message says.
    received_at
        Arrival time, in UTC, or the recorded one of a replay.
    back, ahead
        The window, counted from the arrival; both ends belong to it.

    Returns
    -------
    None if all times lie inside, or if there are none.
    """
    for name, time in _named_times(decoded):
        age = received_at - time
        if age > back:
            return _outside(name, time, f"more than {back.total_seconds():.0f} s before", received_at)
        if -age > ahead:
            return _outside(name, time, f"more than {ahead.total_seconds():.0f} s after", received_at)
    return None


def _named_times(decoded: Decoded) -> Iterator[tuple[str, datetime]]:
    for reading in decoded.readings:
        yield reading.metric, reading.time
    for event in decoded.events:
        yield event.kind, event.time


def _outside(name: str, time: datetime, relation: str, received_at: datetime) -> Rejected:
    detail = f"{name} at {time.isoformat()} lies {relation} its arrival at {received_at.isoformat()}"
    return Rejected(RejectReason.TIME_OUT_OF_WINDOW, detail)
