"""Faults in a city: whether they fit it, where they are written down, and schedules of them."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.errors import InputFileError
from simulators.city import City
from simulators.departments import asset_kinds, branches_of
from simulators.fault import Fault, FaultError, FaultKind
from simulators.noise import day_generator
from simulators.rhythm import EPOCH, to_us

LARGEST_MAGNITUDE = 3.0


def check_fault(city: City, fault: Fault) -> None:
    """Make sure that a fault can happen in a city.

    Raises
    ------
    FaultError
        Saying in plain words what does not fit.
    """
    possible = asset_kinds(branches_of(city), fault.kind)
    if not possible:
        raise FaultError(f"nothing in the city {city.name} can break by {fault.kind}")
    kind = _kinds(city).get(fault.asset)
    if kind is None:
        raise FaultError(f"there is no asset '{fault.asset}' in the city")
    if kind not in possible:
        raise FaultError(f"{fault.kind} is a fault of a {' or '.join(possible)}; {fault.asset} is a {kind}")
    if fault.start.utcoffset() is None or fault.end.utcoffset() is None:
        raise FaultError("a fault's start and end need an offset from UTC")
    if fault.start < EPOCH:
        raise FaultError("a fault starts in 1970 or later")
    if fault.end <= fault.start:
        raise FaultError("a fault ends after it starts")
    if not (math.isfinite(fault.magnitude) and 0 < fault.magnitude <= LARGEST_MAGNITUDE):
        raise FaultError(f"a fault's magnitude is above 0 and at most {LARGEST_MAGNITUDE:g}")


@lru_cache(maxsize=4)
def _kinds(city: City) -> Mapping[str, str]:
    return {asset.name: asset.kind for asset in city.assets}


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
        possible = _possible(city, wanted, assets)
        at_h = first_after_h + rng.uniform(0.0, 0.5)
        while possible and at_h < days * 24:
            kind, names, span_h = possible[int(rng.integers(len(possible)))]
            lasts_h = rng.uniform(*span_h)
            begin = start + timedelta(seconds=round(at_h * 3600))
            end = begin + timedelta(seconds=round(lasts_h * 3600))
            faults.append(Fault(kind, names[int(rng.integers(len(names)))], begin, end, _magnitude(rng)))
            at_h += lasts_h + rng.uniform(*gap_h)
    return tuple(sorted(faults, key=lambda fault: (fault.start, fault.asset)))


def _possible(
    city: City, wanted: Iterable[FaultKind], assets: Mapping[str, list[str]]
) -> list[tuple[FaultKind, list[str], tuple[float, float]]]:
    """Return which kinds can befall which of a domain's assets (given by kind), and how long each lasts in hours."""
    found = []
    for kind in wanted:
        for branch in branches_of(city):
            names = [name for befallen in branch.breaks.get(kind, ()) for name in assets.get(befallen, ())]
            if names:
                found.append((kind, names, branch.lasts_h[kind]))
    return found


def _magnitude(rng: np.random.Generator) -> float:
    return round(float(rng.uniform(0.85, 1.15)), 2)


def _assets_by_domain(city: City) -> dict[str, dict[str, list[str]]]:
    grouped: dict[str, dict[str, list[str]]] = {}
    for asset in city.assets:
        grouped.setdefault(asset.domain, {}).setdefault(asset.kind, []).append(asset.name)
    return grouped
