"""Departments and faults for the water department's tests."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.asset import Place
from core.calendar import Calendar
from simulators.fault import Fault, FaultKind
from simulators.noise import FloatArray
from simulators.rhythm import EPOCH
from simulators.surroundings import Surroundings
from simulators.waterworks import WaterScale, Waterworks, build_waterworks

SEED = 7
CALENDAR = Calendar("Europe/Bucharest", "RO")
STADIUM = Place(46.7684, 23.5725)
STEPS = 96


def day_of(year: int, month: int, day: int) -> int:
    """Return days since 1970-01-01."""
    return (date(year, month, day) - date(1970, 1, 1)).days


MONDAY = day_of(2026, 6, 8)
"""An ordinary working day in early summer; its holiday neighbours were 31 May and 1 June."""


def built(
    scale: WaterScale,
    *,
    seed: int = SEED,
    calendar: Calendar = CALENDAR,
    step_s: int = 900,
    cache_dir: Path | None = None,
) -> Waterworks:
    weather = Surroundings(seed, calendar, STADIUM)
    return build_waterworks(
        scale, seed=seed, calendar=calendar, surroundings=weather, step_s=step_s, cache_dir=cache_dir
    )


def at(day: int, hours: float) -> datetime:
    return EPOCH + timedelta(days=day, hours=hours)


def broken(
    kind: FaultKind, asset: str, *, hours: float = 4.0, start_h: float = 9.0, magnitude: float = 1.0, day: int = MONDAY
) -> Fault:
    start = at(day, start_h)
    return Fault(kind, asset, start, start + timedelta(hours=hours), magnitude)


def row_of(department: Waterworks, asset: str, metric: str) -> int:
    return [(each.asset, each.metric) for each in department.series].index((asset, metric))


def seen(department: Waterworks, asset: str, metric: str, day: int, *faults: Fault) -> FloatArray:
    row: FloatArray = department.values(day, faults)[row_of(department, asset, metric)]
    return row


def differs(left: FloatArray, right: FloatArray) -> NDArray[np.bool_]:
    differ: NDArray[np.bool_] = ~((left == right) | (np.isnan(left) & np.isnan(right)))
    return differ
