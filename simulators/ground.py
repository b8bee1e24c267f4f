"""Everything that is fixed to the ground on one day: the rows of all its series, lost samples as NaN."""

from functools import lru_cache

import numpy as np

from simulators.city import City
from simulators.fault import Fault, FaultKind, span_us
from simulators.lighting import lighting_values
from simulators.noise import STEPS, FloatArray, day_generator
from simulators.rhythm import DAY_US
from simulators.water import water_values

MISSING_SHARE = 0.01

_OF_BUSES = frozenset({FaultKind.BUS_BREAKDOWN, FaultKind.GPS_FREEZE})


def first_ground_series(city: City) -> int:
    """Return the index into the city's series of the first that is fixed to the ground; buses come before it."""
    buses = {asset.name for asset in city.assets if asset.kind == "vehicle"}
    return sum(one.asset in buses for one in city.series)


def ground_values(city: City, day: int, faults: tuple[Fault, ...] = ()) -> FloatArray:
    """Return what all sensors on the ground report on a UTC day.

    Returns
    -------
    Shape (n, 288), read-only: rows in the order of the city's series from `first_ground_series` on, columns 00:00
    to 23:55 UTC; NaN for a sample that went missing.
    """
    end_us = (day + 1) * DAY_US
    relevant = tuple(fault for fault in faults if fault.kind not in _OF_BUSES and span_us(fault)[0] < end_us)
    return _ground_values(city, day, relevant)


@lru_cache(maxsize=8)
def _ground_values(city: City, day: int, faults: tuple[Fault, ...]) -> FloatArray:
    values = np.concatenate([water_values(city, day, faults), lighting_values(city, day, faults)])
    lost = day_generator(city.seed, "missing", day).random((values.shape[0], STEPS)) < MISSING_SHARE
    values[lost] = np.nan
    values.flags.writeable = False
    return values
