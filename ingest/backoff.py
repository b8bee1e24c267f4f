"""How long to wait before trying again."""

from collections.abc import Callable
from random import SystemRandom

_chance = SystemRandom()


class Backoff:
    """Delays that double up to a limit, each cut by chance so that many processes do not come back at once.

    Parameters
    ----------
    base_s
        Longest first delay, in seconds.
    limit_s
        Longest delay at all, in seconds.
    draw
        Yields numbers from 0 to 1; a delay is between a half and the whole of what is due.
    """

    def __init__(self, base_s: float, limit_s: float, draw: Callable[[], float] = _chance.random) -> None:
        self._base_s = base_s
        self._limit_s = limit_s
        self._draw = draw
        self._due_s = base_s

    def next_s(self) -> float:
        """Return the seconds to wait now; the next call returns more."""
        due_s = self._due_s
        self._due_s = min(2 * due_s, self._limit_s)
        return due_s * (0.5 + 0.5 * self._draw())

    def reset(self) -> None:
        """Start over: it has worked."""
        self._due_s = self._base_s
