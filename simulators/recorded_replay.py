"""A replay before it is published: what is read, chosen, broken and moved in time, pass after pass."""

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.clock import Clock
from core.errors import InputFileError
from simulators.recorded_breaking import break_feed
from simulators.recorded_faults import Effect, FeedFault, label_of
from simulators.recorded_selection import Selection, TopicFilters
from simulators.recorded_shift import PayloadTimes, shift
from simulators.recording import RecordedMessage, read_recordings


class Due(NamedTuple):
    """A message and when it is due, on a time line that begins with the recording and never jumps back.

    Attributes
    ----------
    at
        The recorded arrival, later by the recording's length for each pass before.
    message
        As it is to be published; its arrival is the one to state.
    """

    at: datetime
    message: RecordedMessage


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What is replayed, and how.

    Attributes
    ----------
    files
        Recordings, in this order.
    speed
        Recorded seconds per second; None means as fast as the broker takes them.
    selection
        What is taken of them.
    to_now
        Move the recording so that its first message arrives now, and each further pass follows the one before.
    payload_times
        Move the times inside payloads as well, where their format is known.
    passes
        How many times; 0 means without end.
    faults, seed
        What breaks, and what decides where chance does.
    labels
        Where to append a label for each fault that took effect; None writes none.
    qos
        0 or 1.
    keep_retained
        Have the broker keep again what it had sent from its memory.
    """

    files: tuple[Path, ...]
    speed: float | None = 1.0
    selection: Selection = field(default_factory=lambda: Selection(TopicFilters(())))
    to_now: bool = False
    payload_times: bool = False
    passes: int = 1
    faults: tuple[FeedFault, ...] = ()
    seed: int = 2026
    labels: Path | None = None
    qos: int = 1
    keep_retained: bool = False


class Replay:
    """Yields what a plan asks for.

    Parameters
    ----------
    plan
        What to replay.
    clock
        Tells what now is.
    """

    def __init__(self, plan: ReplayPlan, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._warnings: dict[str, None] = {}
        self._times = PayloadTimes()
        self._idle = set(range(len(plan.faults)))

    def messages(self) -> Generator[Due, None, None]:
        """Yield messages, pass after pass; a pass without any is the last.

        Raises
        ------
        InputFileError
            If a recording cannot be read, or the labels cannot be written.
        """
        self._append(b"")
        offset_s: int | None = None
        length_s = published = 0
        for number in count() if self._plan.passes == 0 else range(self._plan.passes):
            span, effects, before = _Span(), [Effect() for _ in self._plan.faults], published
            later_s = number * length_s
            try:
                for message in self._pass(number, span, effects):
                    offset_s = self._offset_s(span) if offset_s is None else offset_s
                    due = message.received_at + timedelta(seconds=later_s)
                    yield Due(due, self._moved(message, offset_s + later_s))
                    published += 1
            finally:
                self._label(effects, (offset_s or 0) + later_s)
            if published == before:
                return
            length_s = span.length_s

    def notes(self) -> Iterator[str]:
        """Yield what the user should know of what has been replayed, in sentences."""
        yield from self._warnings
        for index in sorted(self._idle):
            yield f"fault {index + 1} ({self._plan.faults[index].kind}) touched no message"
        times = self._times
        if self._plan.to_now and not self._plan.payload_times:
            yield "times inside payloads went out as recorded; --payload-times moves those of known formats"
        elif times.left:
            yield f"{times.left:,} payloads went out with their times as recorded: their format is not known"
        if times.none:
            yield f"{times.none:,} payloads state no time: their arrival counts"

    def _pass(self, number: int, span: "_Span", effects: Sequence[Effect]) -> Iterator[RecordedMessage]:
        chosen = span.of(self._plan.selection.of(read_recordings(self._plan.files, self._warn)))
        if not self._plan.faults:
            return chosen
        return break_feed(chosen, self._plan.faults, np.random.default_rng([self._plan.seed, number]), effects)

    def _offset_s(self, span: "_Span") -> int:
        """Return by how many seconds the recording is moved: whole ones, rounded down, so that nothing comes early."""
        return math.floor((self._clock.now() - span.first) / timedelta(seconds=1)) if self._plan.to_now else 0

    def _moved(self, message: RecordedMessage, by_s: int) -> RecordedMessage:
        if not self._plan.to_now:
            return message
        return shift(message, by_s, self._times if self._plan.payload_times else None)

    def _label(self, effects: Sequence[Effect], by_s: int) -> None:
        moved_by = timedelta(seconds=by_s if self._plan.to_now else 0)
        for index, (fault, effect) in enumerate(zip(self._plan.faults, effects, strict=True)):
            if effect.touched:
                self._idle.discard(index)
                self._append(label_of(fault, effect, moved_by))

    def _append(self, line: bytes) -> None:
        if self._plan.labels is None:
            return
        try:
            with self._plan.labels.open("ab") as file:
                file.write(line)
        except OSError as exc:
            raise InputFileError(str(self._plan.labels), None, f"cannot be written: {exc.strerror}") from exc

    def _warn(self, sentence: str) -> None:
        self._warnings[sentence] = None


class _Span:
    """The arrivals that have gone by."""

    def __init__(self) -> None:
        self.first = self._low = self._high = datetime.max.replace(tzinfo=UTC)

    def of(self, messages: Iterable[RecordedMessage]) -> Iterator[RecordedMessage]:
        """Yield messages, and note when they arrived."""
        for message in messages:
            at = message.received_at
            if self.first.year == MAXYEAR:
                self.first = self._low = self._high = at
            elif at > self._high:
                self._high = at
            elif at < self._low:
                self._low = at
            yield message

    @property
    def length_s(self) -> int:
        """Return the whole seconds after which the recording may begin again: later than all of it by one to two."""
        return math.ceil((self._high - self._low) / timedelta(seconds=1)) + 1
