"""When the sun passes some elevation, by `astral`, for many places at once."""

from datetime import timedelta
from functools import lru_cache

import numpy as np

from core.errors import PermanentError
from simulators.noise import FloatArray
from simulators.rhythm import EPOCH

_SECONDS_PER_DEGREE = 240.0  # the earth turns a degree in four minutes
_ELEVATIONS = np.arange(-14.0, 14.5, 0.5)
"""Degrees; between the poles' circles and 50 degrees of latitude the sun passes each of them twice on every day."""

_LATITUDES = (46.60, 46.95)
_LONGITUDE = 23.59


class AstralMissingError(PermanentError):
    """Street lighting follows the sun by astral: install cityvigil[simulators]."""


@lru_cache(maxsize=64)
def _table(day: int) -> FloatArray:
    """Return when the sun passes `_ELEVATIONS`; shape (2 for setting and rising, 2 latitudes, elevations), s."""
    try:
        from astral import Observer, SunDirection
        from astral.sun import time_at_elevation
    except ImportError as exc:
        raise AstralMissingError from exc
    midnight = EPOCH + timedelta(days=day)
    table = [
        [
            [
                (
                    time_at_elevation(observer, elevation, midnight.date(), direction, with_refraction=False) - midnight
                ).total_seconds()
                for elevation in _ELEVATIONS.tolist()
            ]
            for observer in (Observer(latitude, _LONGITUDE, 0.0) for latitude in _LATITUDES)
        ]
        for direction in (SunDirection.SETTING, SunDirection.RISING)
    ]
    values = np.array(table)
    values.flags.writeable = False
    return values


def crossings_s(day: int, elevation: FloatArray, place: FloatArray, *, rising: bool) -> FloatArray:
    """Return when the sun passes an elevation.

    Astral says it for two latitudes of the city's surroundings and a grid of elevations; between them it is
    interpolated, which costs less than two seconds of time.

    Parameters
    ----------
    day
        Days since 1970-01-01 UTC.
    elevation
        Shape (n,), degrees above the horizon without refraction; outside -14 to 14 the nearer end is taken.
    place
        Shape (n, 2): latitude and longitude, WGS 84; of the city and around it.
    rising
        In the morning, or in the evening.

    Returns
    -------
    Shape (n,), seconds since the UTC day's midnight.

    Raises
    ------
    AstralMissingError
        If the extra `simulators` is not installed.
    """
    south, north = _table(day)[int(rising)]
    share = (place[:, 0] - _LATITUDES[0]) / (_LATITUDES[1] - _LATITUDES[0])
    at_south, at_north = (np.interp(elevation, _ELEVATIONS, side) for side in (south, north))
    seconds: FloatArray = at_south + share * (at_north - at_south)
    return seconds - (place[:, 1] - _LONGITUDE) * _SECONDS_PER_DEGREE
