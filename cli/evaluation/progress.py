"""How far an evaluation has come, as its processes report it, and how long the rest may take."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty
from threading import Event, Thread
from typing import NamedTuple, Protocol

_ASK_EVERY_S = 0.5


class Rows(NamedTuple):
    """What a process reports of a series: rows that it is going to judge, or rows that it has judged."""

    begun: int
    judged: int


class Reports(Protocol):
    """A queue between processes, as `multiprocessing` makes one."""

    def put(self, report: Rows, /) -> None:
        """Hand a report over."""
        ...

    def get_nowait(self) -> Rows:
        """Return the next report; raises `queue.Empty` if there is none."""
        ...

    def close(self) -> None:
        """End the queue on this side."""
        ...


class Progress(NamedTuple):
    """How far it has come.

    Attributes
    ----------
    series, all_series
        Series that are done, and all; those of an earlier run count.
    rows
        Rows that were judged.
    left_s
        Seconds that the rest is thought to take; None while nobody can tell.
    """

    series: int
    all_series: int
    rows: int
    left_s: float | None


@dataclass(slots=True)
class Tally:
    """Adds up what the processes report.

    Attributes
    ----------
    all_series, kept
        Series in all, and how many of them an earlier run has left.
    finished
        Series that are done, `kept` included; set by whoever waits for them.
    """

    all_series: int
    kept: int
    finished: int = field(init=False)
    begun_series: int = 0
    begun_rows: int = 0
    rows: int = 0

    def __post_init__(self) -> None:
        self.finished = self.kept

    def add(self, report: Rows) -> None:
        """Take one report in."""
        self.begun_series += report.begun > 0
        self.begun_rows += report.begun
        self.rows += report.judged

    def progress(self, elapsed_s: float) -> Progress:
        """Return how far it has come after some seconds; series that have not begun are taken to be like the others."""
        left_s = None
        if self.finished == self.all_series:
            left_s = 0.0
        elif self.rows:
            all_rows = self.begun_rows / self.begun_series * (self.all_series - self.kept)
            left_s = elapsed_s * max(all_rows - self.rows, 0.0) / self.rows
        return Progress(self.finished, self.all_series, self.rows, left_s)


@contextmanager
def reporting(tally: Tally, reports: Reports, show: Callable[[Progress], None]) -> Iterator[None]:
    """Show the progress twice a second while the block runs, and once at its end."""
    started_s, stop = time.monotonic(), Event()

    def report() -> None:
        _take(tally, reports)
        show(tally.progress(time.monotonic() - started_s))

    def keep_reporting() -> None:
        while not stop.wait(_ASK_EVERY_S):
            report()

    thread = Thread(target=keep_reporting, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    report()


def _take(tally: Tally, reports: Reports) -> None:
    try:
        while True:
            tally.add(reports.get_nowait())
    except Empty:
        return
