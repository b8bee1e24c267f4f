"""Faults for recorded feeds: what breaks, where, and when; one record is the order before, and the label after."""

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

from core.errors import InputFileError, PermanentError
from simulators.recorded_selection import TopicFilters

_LONGEST_S = 366 * 86_400
_SPIKES_SHARE = 0.05


class FeedFaultKind(StrEnum):
    """What can break in a feed."""

    DROP = "drop"
    """Messages are missing: a device is silent, or the network is away."""
    DUPLICATE = "duplicate"
    """Messages come several times."""
    DELAY = "delay"
    """Messages come later, all by the same time."""
    OUT_OF_ORDER = "out_of_order"
    """Messages come later, each by a time of its own, so that they overtake each other."""
    FREEZE = "freeze"
    """Values stay what they were while times go on; where the format is not known, the whole payload stays."""
    GPS_FREEZE = "gps_freeze"
    """A vehicle's position stays what it was while everything else goes on (HFP)."""
    SPIKE = "spike"
    """Single values are off by an amount."""
    OFFSET = "offset"
    """All values are off by an amount."""
    SCALE = "scale"
    """All values are multiplied, as by a wrong unit."""
    CLOCK = "clock"
    """The device's clock is wrong: times in payloads are off by whole seconds."""


_NEEDS: dict[FeedFaultKind, frozenset[str]] = {
    FeedFaultKind.DELAY: frozenset({"delay_s"}),
    FeedFaultKind.OUT_OF_ORDER: frozenset({"delay_s"}),
    FeedFaultKind.SPIKE: frozenset({"by"}),
    FeedFaultKind.OFFSET: frozenset({"by"}),
    FeedFaultKind.SCALE: frozenset({"factor"}),
    FeedFaultKind.CLOCK: frozenset({"offset_s"}),
}
_MAY: dict[FeedFaultKind, frozenset[str]] = {
    FeedFaultKind.DUPLICATE: frozenset({"copies", "delay_s"}),
    FeedFaultKind.FREEZE: frozenset({"metric"}),
    FeedFaultKind.SPIKE: frozenset({"metric", "path"}),
    FeedFaultKind.OFFSET: frozenset({"metric", "path"}),
    FeedFaultKind.SCALE: frozenset({"metric", "path"}),
}


class FeedFaultError(PermanentError):
    """A record is no fault of a feed."""


class FeedFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that breaks, where, and for how long.

    Attributes
    ----------
    kind
        What breaks.
    start, end
        Recorded arrivals from (inclusive) and until (exclusive).
    topics
        MQTT topic filter: only there.
    device
        Only messages of this device, as City Vigil names it (`hsl:12/1124`, `dma-1`).
    share
        Chance of each message to be touched; 1, and 0.05 for spikes, where it is not given.
    metric
        Only this metric, as City Vigil names it (`speed`, `flow`).
    path
        Where the value is in a JSON payload: names and numbers with dots between them (`VP.spd`, `readings.0.value`).
    by
        What is added to a value.
    factor
        What a value is multiplied by.
    delay_s
        Seconds by which a message comes later; out of order: at most; duplicate: between one copy and the next.
    offset_s
        Whole seconds by which the device's clock is ahead, or behind if negative.
    copies
        How many times a message comes besides the first time.
    """

    kind: FeedFaultKind
    start: Annotated[datetime, msgspec.Meta(tz=True)]
    end: Annotated[datetime, msgspec.Meta(tz=True)]
    topics: str = "#"
    device: str | None = None
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    metric: str | None = None
    path: str | None = None
    by: int | float | None = None
    factor: int | float | None = None
    delay_s: Annotated[float, msgspec.Meta(ge=0, le=_LONGEST_S)] | None = None
    offset_s: Annotated[int, msgspec.Meta(ge=-_LONGEST_S, le=_LONGEST_S)] | None = None
    copies: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None

    @property
    def chance(self) -> float:
        """Return the chance of each message to be touched."""
        if self.share is not None:
            return self.share
        return _SPIKES_SHARE if self.kind is FeedFaultKind.SPIKE else 1.0

    @classmethod
    def from_json(cls, line: str) -> "FeedFault":
        """Read a fault.

        Raises
        ------
        FeedFaultError
            Saying in plain words what is wrong with it.
        """
        try:
            fault = _decoder.decode(line)
            TopicFilters([fault.topics])
        except (msgspec.DecodeError, ValueError, RecursionError) as exc:
            raise FeedFaultError(f"not a fault: {exc}") from exc
        fault.check()
        return fault

    def check(self) -> None:
        """Make sure that the record has what its kind needs, and nothing that means nothing to it.

        Raises
        ------
        FeedFaultError
            Saying in plain words what does not fit.
        """
        if self.end <= self.start:
            raise FeedFaultError("a fault ends after it starts")
        needs, may = (table.get(self.kind, frozenset()) for table in (_NEEDS, _MAY))
        given = {name for name in _PARTICULARS if getattr(self, name) is not None}
        if missing := sorted(needs - given):
            raise FeedFaultError(f"{self.kind} needs {' and '.join(missing)}")
        if unfit := sorted(given - needs - may):
            raise FeedFaultError(f"{' and '.join(unfit)} means nothing to {self.kind}")
        if "path" in may and (self.metric is None) == (self.path is None):
            raise FeedFaultError(f"{self.kind} needs either metric or path")


_PARTICULARS = frozenset({"metric", "path", "by", "factor", "delay_s", "offset_s", "copies"})
_decoder = msgspec.json.Decoder(FeedFault)


def read_feed_faults(path: Path) -> tuple[FeedFault, ...]:
    """Read a file of faults: one per line, as JSON, in the file's order; blank lines count for nothing.

    Raises
    ------
    InputFileError
        If the file cannot be read, or a line is no fault.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputFileError(str(path), None, f"cannot be read: {exc}") from exc
    faults = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            faults.append(FeedFault.from_json(line))
        except FeedFaultError as exc:
            raise InputFileError(str(path), number, str(exc)) from exc
    return tuple(faults)


class Effect(msgspec.Struct):
    """What a fault did.

    Attributes
    ----------
    messages
        Messages that it was meant for: by topic, device and time.
    touched
        Those of them that it changed, moved, dropped or repeated.
    dropped
        Messages that it took away.
    added
        Messages that it put in.
    unreadable
        Messages that it left alone, because their format is not known or holds nothing of what it changes.
    """

    messages: int = 0
    touched: int = 0
    dropped: int = 0
    added: int = 0
    unreadable: int = 0


class _Label(FeedFault, frozen=True, kw_only=True):
    effect: Effect


def label_of(fault: FeedFault, effect: Effect, moved_by: timedelta) -> bytes:
    """Return a fault that has been played, with its effect, as one line of JSON with its end.

    Parameters
    ----------
    moved_by
        How far the replay has moved arrivals: the label's start and end are the replay's times, not the recording's.
    """
    given = {name: getattr(fault, name) for name in FeedFault.__struct_fields__}
    given |= {"start": fault.start + moved_by, "end": fault.end + moved_by}
    return _encoder.encode_lines([_Label(**given, effect=effect)])


_encoder = msgspec.json.Encoder()
