"""Clocks are passed in, so that a replay, a drill and a test decide what time it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the processing time and waits on it."""

    def now(self) -> datetime:
        """Return the processing time, in UTC."""
        ...

    def to_wall_s(self, span_s: float) -> float:
        """Return how many seconds of real time `span_s` seconds of this clock take."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the machine's time, in UTC."""
        return datetime.now(UTC)

    def to_wall_s(self, span_s: float) -> float:
        """Return `span_s` itself: one second is one second."""
        return span_s


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """A clock that runs `speed` times as fast as the machine's, from `origin` on.

    Several processes that are given the same three values show the same time.

    Parameters
    ----------
    origin
        What this clock showed at `started_at`, in UTC.
    started_at
        The machine's time at which this clock showed `origin`, in UTC.
    speed
        Seconds of this clock per second of the machine; greater than 0.
    wall
        Where the machine's time comes from.
    """

    origin: datetime
    started_at: datetime
    speed: float
    wall: Callable[[], float] = time.time

    def now(self) -> datetime:
        """Return the scaled time, in UTC."""
        elapsed_s = self.wall() - self.started_at.timestamp()
        return self.origin + timedelta(seconds=elapsed_s * self.speed)

    def to_wall_s(self, span_s: float) -> float:
        """Return the real seconds that `span_s` scaled seconds take."""
        return span_s / self.speed
