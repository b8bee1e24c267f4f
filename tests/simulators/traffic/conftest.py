"""What the tests of the transport department share."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from core.asset import Place
from core.calendar import Calendar
from simulators.fault import Fault, FaultKind
from simulators.noise import FloatArray
from simulators.rhythm import EPOCH
from simulators.surroundings import Surroundings
from simulators.traffic import SMALL, TINY, Scale, Traffic, build_traffic

CALENDAR = Calendar("Europe/Bucharest", "RO")
SURROUNDINGS = Surroundings(7, CALENDAR, Place(46.7685, 23.5722))

WEDNESDAY = (datetime(2026, 5, 27, tzinfo=UTC) - EPOCH).days


def build(scale: Scale, *, seed: int = 7, step_s: int = 300) -> Traffic:
    return build_traffic(scale, seed=seed, calendar=CALENDAR, surroundings=SURROUNDINGS, step_s=step_s)


@pytest.fixture(scope="session")
def tiny() -> Traffic:
    return build(TINY)


@pytest.fixture(scope="session")
def small() -> Traffic:
    return build(SMALL)


def fault_on(kind: FaultKind, asset: str, start_h: float, end_h: float, day: int = WEDNESDAY) -> Fault:
    """Return a fault of some hours (UTC) of a day."""
    midnight = EPOCH + timedelta(days=day)
    return Fault(kind, asset, midnight + timedelta(hours=start_h), midnight + timedelta(hours=end_h))


def row(traffic: Traffic, asset: str, metric: str) -> int:
    """Return the row of a series in `values`."""
    return next(at for at, one in enumerate(traffic.series) if (one.asset, one.metric) == (asset, metric))


def differs(first: FloatArray, second: FloatArray) -> NDArray[np.bool_]:
    """Return where two arrays differ; NaN equals NaN."""
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    different: NDArray[np.bool_] = np.logical_not(same)
    return different


def busiest_vehicle(traffic: Traffic, day: int = WEDNESDAY) -> str:
    """Return the vehicle that calls most often."""
    calls = traffic.calls(day)
    return traffic.town.vehicle_names[int(np.bincount(calls["vehicle"]).argmax())]


def busy_road(traffic: Traffic) -> int:
    """Return the fullest counted segment that a line follows."""
    town = traffic.town
    followed = np.unique(town.lines.links[town.lines.link_m > 0.0])
    wanted = np.intersect1d(followed, town.counted)
    return int(wanted[np.argmax((town.streets.usual_ratio * town.streets.capacity_per_h)[wanted])])


def counter_on(traffic: Traffic, segment: int) -> str:
    """Return the counter on a segment."""
    return traffic.town.counter_names[int(np.searchsorted(traffic.town.counted, segment))]
