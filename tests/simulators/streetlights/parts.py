"""A small street lighting, and what its meters show by name, for tests."""

from datetime import UTC, datetime, timedelta

import numpy as np

from core.asset import Place
from core.calendar import Calendar
from simulators.fault import Fault, FaultKind
from simulators.noise import FloatArray
from simulators.streetlights import TINY, Scale, Streetlights, build_streetlights
from simulators.surroundings import Surroundings

CALENDAR = Calendar("Europe/Bucharest", "RO")
SURROUNDINGS = Surroundings(7, CALENDAR, Place(46.7676, 23.5716))

MONDAY = datetime(2026, 11, 9, tzinfo=UTC)
"""Local time is two hours ahead; lamps go on at about 15:00 UTC and off at about 5:00."""

MONDAY_DAY = (MONDAY - datetime(1970, 1, 1, tzinfo=UTC)).days
EVENING, LATE, NIGHT, NOON = slice(4 * 16, 4 * 19), slice(4 * 22, 4 * 24), slice(4 * 16, 4 * 24), slice(4 * 8, 4 * 13)


def lights(scale: Scale = TINY, *, seed: int = 7, step_s: int = 900) -> Streetlights:
    return build_streetlights(scale, seed=seed, calendar=CALENDAR, surroundings=SURROUNDINGS, step_s=step_s)


def day_of(year: int, month: int, day: int) -> int:
    return (datetime(year, month, day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days


def fault(kind: FaultKind, asset: str, *, start_h: float = 9.0, hours: float = 14.0) -> Fault:
    """Return a fault; hours from Monday 00:00 UTC."""
    start = MONDAY + timedelta(hours=start_h)
    return Fault(kind, asset, start, start + timedelta(hours=hours))


def seen(city: Streetlights, *faults: Fault, day: int = MONDAY_DAY, days: int = 1) -> dict[tuple[str, str], FloatArray]:
    """Return what meters show, by asset and metric, over some days."""
    values = np.concatenate([city.values(day + shift, faults) for shift in range(days)], axis=1)
    return {(each.asset, each.metric): row for each, row in zip(city.series, values, strict=True)}


def changed(city: Streetlights, *faults: Fault, day: int = MONDAY_DAY) -> set[str]:
    """Return the assets of which some series differs from a day without faults."""
    calm, broken = city.values(day), city.values(day, faults)
    differs = ~((calm == broken) | (np.isnan(calm) & np.isnan(broken))).all(axis=1)
    return {city.series[row].asset for row in np.flatnonzero(differs)}
