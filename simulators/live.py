"""What the city's devices publish from any moment on, in the order in which it reaches the broker."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from simulators.airtime import LONGEST_DELAY_US
from simulators.bus_messages import call_messages, position_messages
from simulators.city import TINY, City
from simulators.entry import Entry
from simulators.fault import Fault
from simulators.faults import check_fault
from simulators.ground_messages import ground_messages
from simulators.reports import reports
from simulators.rhythm import DAY_US, to_datetime, to_us

_CHUNK_US = 300_000_000


class TimedMessage(NamedTuple):
    """A message and the moment at which it is published.

    Attributes
    ----------
    due
        In UTC: event time and a short way through the air.
    topic, payload
        As published.
    """

    due: datetime
    topic: str
    payload: bytes


class LiveCity:
    """A city whose devices publish.

    Any span can be asked for at any time: `messages(a, b)` followed by `messages(b, c)` is `messages(a, c)`.

    Parameters
    ----------
    city
        What there is.
    faults
        What breaks.

    Raises
    ------
    FaultError
        If a fault does not fit the city.
    """

    def __init__(self, city: City, faults: Iterable[Fault] = ()) -> None:
        self._city = city
        self._faults: tuple[Fault, ...] = ()
        for fault in faults:
            self.add_fault(fault)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Return all faults so far."""
        return self._faults

    def add_fault(self, fault: Fault) -> None:
        """Let something break: it shows in what is generated from now on, from the fault's start on.

        Raises
        ------
        FaultError
            If the fault does not fit the city.
        """
        check_fault(self._city, fault)
        # One assignment of a new tuple: a generator in another thread sees the old faults or the new ones.
        self._faults = (*self._faults, fault)

    def messages(self, start: datetime, end: datetime) -> Iterator[TimedMessage]:
        """Yield what is due from `start` (inclusive) to `end` (exclusive), by due time.

        Generated 300 s at a time, each part with the faults that are known when its first message is taken.

        Parameters
        ----------
        start, end
            With an offset from UTC, 1970 or later.
        """
        start_us, end_us = to_us(start), to_us(end)
        while start_us < end_us:
            until_us = min((start_us // _CHUNK_US + 1) * _CHUNK_US, end_us)
            for due_us, _, topic, payload in sorted(self._entries(start_us, until_us)):
                yield TimedMessage(to_datetime(due_us), topic, payload)
            start_us = until_us

    def _entries(self, start_us: int, end_us: int) -> Iterator[Entry]:
        faults = self._faults
        sources = (position_messages, call_messages, ground_messages) if self._city.name == TINY else (reports,)
        for day in range(max(start_us - LONGEST_DELAY_US, 0) // DAY_US, (end_us - 1) // DAY_US + 1):
            for source in sources:
                yield from source(self._city, day, start_us, end_us, faults)


def follow(
    live: LiveCity,
    start: datetime,
    new_faults: Callable[[], Iterable[Fault]] = tuple,
    *,
    end: datetime | None = None,
    chunk_s: float = 30.0,
) -> Iterator[TimedMessage]:
    """Yield a city's messages from `start` on, asking for new faults before each chunk.

    Parameters
    ----------
    new_faults
        Returns what has broken since it was last asked, for instance `FaultTail`.
    end
        When to stop, exclusive; None means never.
    chunk_s
        Seconds of the city's time that are generated at once: so long may a new fault go unseen.

    Raises
    ------
    FaultError
        If a new fault does not fit the city.
    InputFileError
        As `new_faults` does.
    """
    while end is None or start < end:
        for fault in new_faults():
            live.add_fault(fault)
        until = start + timedelta(seconds=chunk_s)
        until = until if end is None else min(until, end)
        yield from live.messages(start, until)
        start = until
