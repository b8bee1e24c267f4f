"""Faults with labels: one record says when what breaks, and later proves that it was found."""

import json
import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.asset import Series
from core.errors import InputFileError, PermanentError
from simulators.city import PRESSURE_SENSORS, City, edges_of
from simulators.noise import day_generator
from simulators.rhythm import EPOCH, to_us

LARGEST_MAGNITUDE = 3.0


class FaultKind(StrEnum):
    """What can break."""

    BURST = "burst"
    """A main of the DMA breaks: more inflow, less pressure, most of all near the break."""
    BACKGROUND_LEAK = "background_leak"
    """A leak grows over a day."""
    PRESSURE_STUCK = "pressure_stuck"
    """One pressure sensor repeats its value."""
    LAMP_OUT = "lamp_out"
    """A lamp stays dark at night."""
    DAY_BURNER = "day_burner"
    """A lamp burns by day."""
    FEEDER_LOSS = "feeder_loss"
    """A feeder and its lamps are without supply."""
    BUS_BREAKDOWN = "bus_breakdown"
    """A bus stands still and goes on reporting; afterwards another takes over its timetable under its name."""
    GPS_FREEZE = "gps_freeze"
    """A bus repeats its position while it drives on."""


_BREAKS: dict[FaultKind, str] = {
    FaultKind.BURST: "dma",
    FaultKind.BACKGROUND_LEAK: "dma",
    FaultKind.PRESSURE_STUCK: "dma",
    FaultKind.LAMP_OUT: "lamp",
    FaultKind.DAY_BURNER: "lamp",
    FaultKind.FEEDER_LOSS: "feeder",
    FaultKind.BUS_BREAKDOWN: "vehicle",
    FaultKind.GPS_FREEZE: "vehicle",
}

_LASTS_H: dict[FaultKind, tuple[float, float]] = {
    FaultKind.BURST: (3.0, 5.0),
    FaultKind.BACKGROUND_LEAK: (30.0, 40.0),
    FaultKind.PRESSURE_STUCK: (6.0, 10.0),
    FaultKind.LAMP_OUT: (24.0, 30.0),
    FaultKind.DAY_BURNER: (24.0, 30.0),
    FaultKind.FEEDER_LOSS: (1.5, 3.0),
    FaultKind.BUS_BREAKDOWN: (0.75, 1.5),
    FaultKind.GPS_FREEZE: (0.5, 1.0),
}


class FaultError(PermanentError):
    """A fault does not fit the city."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks, and for how long.

    Attributes
    ----------
    kind
        What breaks.
    asset
        Name of the asset.
    start, end
        From when (inclusive) to when (exclusive), with an offset from UTC.
    magnitude
        1 for an ordinary one; scales what a burst or a leak lets out, means nothing to the others.
    """

    kind: FaultKind
    asset: str
    start: datetime
    end: datetime
    magnitude: float = 1.0

    def to_json(self) -> str:
        """Return the fault as one line of JSON, without the line's end."""
        record = {
            "kind": self.kind.value,
            "asset": self.asset,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "magnitude": self.magnitude,
        }
        return json.dumps(record, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> "Fault":
        """Read a fault back.

        Raises
        ------
        FaultError
            If the line is no such record; whether it fits a city is `check_fault`'s to say.
        """
        try:
            record = json.loads(line)
            if not isinstance(record, dict) or not isinstance(record["asset"], str):
                raise FaultError("a fault is an object with kind, asset, start, end and magnitude")
            start, end = (datetime.fromisoformat(record[key]) for key in ("start", "end"))
            return cls(FaultKind(record["kind"]), record["asset"], start, end, float(record.get("magnitude", 1.0)))
        except KeyError as exc:
            raise FaultError(f"the fault's {exc.args[0]} is missing") from exc
        except (ValueError, TypeError) as exc:
            raise FaultError(f"not a fault: {exc}") from exc


def check_fault(city: City, fault: Fault) -> None:
    """Make sure that a fault can happen in a city.

    Raises
    ------
    FaultError
        Saying in plain words what does not fit.
    """
    kinds = {asset.name: asset.kind for asset in city.assets}
    if fault.asset not in kinds:
        raise FaultError(f"there is no asset '{fault.asset}' in the city")
    if kinds[fault.asset] != _BREAKS[fault.kind]:
        raise FaultError(f"{fault.kind} is a fault of a {_BREAKS[fault.kind]}; {fault.asset} is a {kinds[fault.asset]}")
    if fault.start.utcoffset() is None or fault.end.utcoffset() is None:
        raise FaultError("a fault's start and end need an offset from UTC")
    if fault.start < EPOCH:
        raise FaultError("a fault starts in 1970 or later")
    if fault.end <= fault.start:
        raise FaultError("a fault ends after it starts")
    if not (math.isfinite(fault.magnitude) and 0 < fault.magnitude <= LARGEST_MAGNITUDE):
        raise FaultError(f"a fault's magnitude is above 0 and at most {LARGEST_MAGNITUDE:g}")


def span_us(fault: Fault) -> tuple[int, int]:
    """Return start and end in microseconds since 1970-01-01 UTC."""
    return to_us(fault.start), to_us(fault.end)


def active(fault: Fault, times_us: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return at which of the times, in microseconds since 1970-01-01 UTC, a fault holds."""
    start_us, end_us = span_us(fault)
    return (times_us >= start_us) & (times_us < end_us)


def chosen_sensor(fault: Fault) -> int:
    """Return which pressure sensor (from 0) is stuck, or is nearest to the burst or leak."""
    name = f"{fault.kind}/{fault.asset}/{span_us(fault)[0]}"
    return zlib.crc32(name.encode()) % PRESSURE_SENSORS


def affected_series(city: City, fault: Fault) -> tuple[Series, ...]:
    """Return the series that a fault changes, as a label for whoever judges detectors."""
    feeds = {child: parent for parent, child in edges_of(city)}
    neighbours = {fault.asset}
    if fault.kind in {FaultKind.LAMP_OUT, FaultKind.DAY_BURNER, FaultKind.BURST, FaultKind.BACKGROUND_LEAK}:
        neighbours.add(feeds[fault.asset])
    elif fault.kind is FaultKind.FEEDER_LOSS:
        neighbours |= {child for child, parent in feeds.items() if parent == fault.asset}
    kept = _CHANGES.get(fault.kind)
    if fault.kind is FaultKind.PRESSURE_STUCK:
        kept = frozenset({f"pressure_{chosen_sensor(fault) + 1}"})
    return tuple(one for one in city.series if one.asset in neighbours and (kept is None or one.metric in kept))


_CHANGES: dict[FaultKind, frozenset[str]] = {
    FaultKind.LAMP_OUT: frozenset({"active_power", "current"}),
    FaultKind.DAY_BURNER: frozenset({"active_power", "current"}),
    FaultKind.GPS_FREEZE: frozenset({"latitude", "longitude"}),
}


def read_faults(path: Path) -> tuple[Fault, ...]:
    """Read a label file: one fault per line, in the file's order; blank lines count for nothing.

    Raises
    ------
    InputFileError
        If the file cannot be read, or a line is no fault.
    """
    return _parse(path, _read(path).split("\n"))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputFileError(str(path), None, f"cannot be read: {exc}") from exc


def _parse(path: Path, lines: Iterable[str]) -> tuple[Fault, ...]:
    faults = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            faults.append(Fault.from_json(line))
        except FaultError as exc:
            raise InputFileError(str(path), number, str(exc)) from exc
    return tuple(faults)


def append_fault(path: Path, fault: Fault) -> None:
    """Add a fault to a label file, made if need be; the line is written at once, so readers see all or nothing.

    Raises
    ------
    InputFileError
        If the file cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(fault.to_json() + "\n")
    except OSError as exc:
        raise InputFileError(str(path), None, f"cannot be written: {exc}") from exc


class FaultTail:
    """Tells, each time it is called, the faults that were appended to a label file since the last time.

    Parameters
    ----------
    path
        The file; it need not exist yet.
    known
        How many of its faults the caller has already.
    """

    def __init__(self, path: Path, known: int = 0) -> None:
        self._path = path
        self._known = known
        self._size = -1

    def __call__(self) -> tuple[Fault, ...]:
        """Return the new faults, in the file's order.

        Raises
        ------
        InputFileError
            As `read_faults`.
        """
        size = self._path.stat().st_size if self._path.exists() else 0
        if size in {0, self._size}:
            return ()
        # What follows the last line's end is still being written by somebody.
        faults = _parse(self._path, _read(self._path).split("\n")[:-1])
        fresh, self._known, self._size = faults[self._known :], len(faults), size
        return fresh


def default_schedule(
    city: City,
    start: datetime,
    *,
    days: float = 7.0,
    first_after_h: float = 1.0,
    gap_h: tuple[float, float] = (4.0, 10.0),
    kinds: Iterable[FaultKind] = FaultKind,
) -> tuple[Fault, ...]:
    """Draw a schedule of faults: one per domain at a time, hours apart; the same city and start give the same.

    Parameters
    ----------
    start
        No fault starts before it; in UTC.
    days
        No fault starts later than this after `start`.
    first_after_h
        Calm hours before the first fault of each domain.
    gap_h
        Fewest and most calm hours between two faults of one domain.
    kinds
        What may break.

    Returns
    -------
    By start.
    """
    wanted = tuple(kinds)
    faults: list[Fault] = []
    for domain, assets in _assets_by_domain(city).items():
        rng = day_generator(city.seed, f"schedule/{domain}/{to_us(start)}", 0)
        possible = [kind for kind in wanted if _BREAKS[kind] in assets]
        at_h = first_after_h + rng.uniform(0.0, 0.5)
        while possible and at_h < days * 24:
            kind = possible[int(rng.integers(len(possible)))]
            names = assets[_BREAKS[kind]]
            lasts_h = rng.uniform(*_LASTS_H[kind])
            begin = start + timedelta(seconds=round(at_h * 3600))
            end = begin + timedelta(seconds=round(lasts_h * 3600))
            faults.append(Fault(kind, names[int(rng.integers(len(names)))], begin, end, _magnitude(rng)))
            at_h += lasts_h + rng.uniform(*gap_h)
    return tuple(sorted(faults, key=lambda fault: (fault.start, fault.asset)))


def _magnitude(rng: np.random.Generator) -> float:
    return round(float(rng.uniform(0.85, 1.15)), 2)


def _assets_by_domain(city: City) -> dict[str, dict[str, list[str]]]:
    grouped: dict[str, dict[str, list[str]]] = {}
    for asset in city.assets:
        grouped.setdefault(asset.domain, {}).setdefault(asset.kind, []).append(asset.name)
    return grouped
