"""When the sun passes an elevation, against a formula of its own."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PermanentError
from simulators.noise import FloatArray
from simulators.rhythm import sun_elevation
from simulators.streetlights import AstralMissingError, sun
from tests.simulators.streetlights.parts import day_of

_STEP_S = 300.0


def _by_formula(elevation: FloatArray, threshold: float, *, rising: bool) -> float:
    """Return when an elevation sampled every 300 s passes a threshold, in s."""
    above = elevation > threshold
    turns = np.flatnonzero(~above[:-1] & above[1:] if rising else above[:-1] & ~above[1:])
    assert turns.size == 1
    at = int(turns[0])
    return float(_STEP_S * (at + (threshold - elevation[at]) / (elevation[at + 1] - elevation[at])))


def _almanac_elevation(latitude: float, longitude: float, day: int) -> FloatArray:
    """Return the sun's elevation at each 300 s of a UTC day, in degrees.

    Source
    ------
    *The Astronomical Almanac*, page C5, low-precision formulas for the sun: 0.01 degrees between 1950 and 2050.
    """
    days = day - day_of(2000, 1, 1) - 0.5 + np.arange(289) / 288
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude_sun = np.radians(280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.radians(23.439 - 0.0000004 * days)
    declination = np.arcsin(np.sin(tilt) * np.sin(longitude_sun))
    ascension = np.arctan2(np.cos(tilt) * np.sin(longitude_sun), np.cos(longitude_sun))
    hour_angle = np.radians(280.46062 + 360.98564737 * days + longitude) - ascension
    phi = np.radians(latitude)
    sine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    elevation: FloatArray = np.degrees(np.arcsin(sine))
    return elevation


_PLACES = (st.floats(46.70, 46.85), st.floats(23.45, 23.75))


@settings(max_examples=40, deadline=None)
@given(st.integers(day_of(1975, 1, 1), day_of(2050, 1, 1)), st.floats(-6.0, 2.0), *_PLACES, st.booleans())
def test_the_sun_passes_when_the_almanac_says(
    day: int, threshold: float, latitude: float, longitude: float, rising: bool
) -> None:
    found = sun.crossings_s(day, np.array([threshold]), np.array([[latitude, longitude]]), rising=rising)[0]
    expected = _by_formula(_almanac_elevation(latitude, longitude, day), threshold, rising=rising)
    assert found == pytest.approx(expected, abs=15)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([2024, 2028, 2032]), st.integers(0, 365), st.floats(-6.0, 2.0), *_PLACES, st.booleans())
def test_the_sun_passes_when_the_simple_plant_says(
    leap_year: int, of_year: int, threshold: float, latitude: float, longitude: float, rising: bool
) -> None:
    """In leap years; in the year after one, the other's year of 365 days has run three minutes away."""
    day = day_of(leap_year, 1, 1) + of_year
    found = sun.crossings_s(day, np.array([threshold]), np.array([[latitude, longitude]]), rising=rising)[0]
    expected = _by_formula(sun_elevation(latitude, longitude, day), threshold, rising=rising)
    assert found == pytest.approx(expected, abs=120)


def test_interpolation_costs_less_than_two_seconds() -> None:
    from datetime import timedelta

    from astral import Observer, SunDirection
    from astral.sun import time_at_elevation

    from simulators.rhythm import EPOCH

    for day in (day_of(2026, 3, 20), day_of(2026, 6, 21), day_of(2026, 12, 21)):
        for latitude, longitude, threshold in ((46.744, 23.53, -2.3), (46.80, 23.66, -0.77), (46.77, 23.59, 1.9)):
            midnight = EPOCH + timedelta(days=day)
            exact = time_at_elevation(
                Observer(latitude, longitude, 0.0),
                threshold,
                midnight.date(),
                SunDirection.SETTING,
                with_refraction=False,
            )
            found = sun.crossings_s(day, np.array([threshold]), np.array([[latitude, longitude]]), rising=False)[0]
            assert found == pytest.approx((exact - midnight).total_seconds(), abs=2.0)


def test_without_astral_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    sun._table.cache_clear()
    monkeypatch.setitem(sys.modules, "astral", None)
    with pytest.raises(AstralMissingError, match=r"install cityvigil\[simulators\]") as caught:
        sun.crossings_s(day_of(2026, 1, 1), np.array([-2.0]), np.array([[46.77, 23.59]]), rising=True)
    assert isinstance(caught.value, PermanentError)
