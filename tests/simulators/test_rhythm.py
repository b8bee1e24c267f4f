from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import Calendar
from simulators.noise import autoregressive
from simulators.rhythm import EPOCH, hump, local_day, sun_elevation, to_datetime, to_us, traffic_peak, water_demand

CALENDAR = Calendar("Europe/Bucharest", "RO")

_CLUJ = (46.77, 23.59)
_OBLIQUITY_DEG = 23.44


def _day(year: int, month: int, day: int) -> int:
    return (datetime(year, month, day, tzinfo=UTC) - EPOCH).days


@pytest.mark.parametrize(
    ("day", "declination_deg"),
    [(_day(2026, 3, 20), 0.0), (_day(2026, 6, 21), _OBLIQUITY_DEG), (_day(2026, 12, 21), -_OBLIQUITY_DEG)],
)
def test_noon_sun_stands_as_high_as_latitude_and_season_say(day: int, declination_deg: float) -> None:
    elevation = sun_elevation(*_CLUJ, day)
    assert elevation.max() == pytest.approx(90 - _CLUJ[0] + declination_deg, abs=0.5)


@pytest.mark.parametrize(("day", "declination_deg"), [(_day(2026, 6, 21), 23.44), (_day(2026, 12, 21), -23.44)])
def test_length_of_day_follows_the_sunrise_equation(day: int, declination_deg: float) -> None:
    phi, delta, horizon = np.radians([_CLUJ[0], declination_deg, -0.833])
    cosine = (np.sin(horizon) - np.sin(phi) * np.sin(delta)) / (np.cos(phi) * np.cos(delta))
    expected_h = 2 * np.degrees(np.arccos(cosine)) / 15
    above = sun_elevation(*_CLUJ, day)[:288] > -0.833
    assert above.sum() / 12 == pytest.approx(expected_h, abs=0.17)


def test_solar_noon_comes_when_the_longitude_says() -> None:
    noon_h = int(np.argmax(sun_elevation(*_CLUJ, _day(2026, 4, 15)))) / 12
    # The equation of time is zero in mid-April.
    assert noon_h == pytest.approx(12 - _CLUJ[1] / 15, abs=0.1)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_microseconds_and_times_are_one_to_one(time: datetime) -> None:
    assert to_datetime(to_us(time)) == time


def test_local_clock_jumps_with_daylight_saving() -> None:
    spring = local_day(CALENDAR, _day(2026, 3, 29)).hour
    step = np.diff(spring) % 24
    assert np.count_nonzero(np.isclose(step, 1 + 1 / 12)) == 1
    assert local_day(CALENDAR, _day(2026, 1, 5)).hour[0] == 2.0
    assert local_day(CALENDAR, _day(2026, 7, 6)).hour[0] == 3.0


def test_demand_has_two_humps_on_a_workday_and_a_later_one_at_the_weekend() -> None:
    monday, sunday = (local_day(Calendar("UTC"), _day(2026, 11, day)) for day in (9, 15))
    workday = water_demand(monday)[:288]
    inner = (workday[1:-1] > workday[:-2]) & (workday[1:-1] > workday[2:])
    peaks_h = (np.flatnonzero(inner) + 1) / 12
    assert 7 <= peaks_h[0] <= 8.5
    assert 18.5 <= peaks_h[-1] <= 20.5
    morning = slice(0, 12 * 12)
    assert np.argmax(water_demand(sunday)[morning]) > np.argmax(workday[morning])
    assert workday.mean() == pytest.approx(1.0, abs=0.03)


def test_rush_hours_belong_to_workdays() -> None:
    monday, sunday = (traffic_peak(local_day(Calendar("UTC"), _day(2026, 11, day))) for day in (9, 15))
    assert monday[8 * 12] > 2 * sunday[8 * 12]


def test_a_hump_wraps_around_midnight() -> None:
    assert hump(np.array([23.5]), 0.5, 2.0) == pytest.approx(hump(np.array([1.5]), 0.5, 2.0))


def test_noise_has_unit_variance_its_persistence_and_no_seam_at_midnight() -> None:
    days = [autoregressive(3, "test", day, 200, 0.9) for day in (100, 101)]
    joined = np.concatenate([days[0][:, :-1], days[1]], axis=1)
    assert np.allclose(days[0][:, -1], days[1][:, 0], atol=1e-9)
    assert joined.std() == pytest.approx(1.0, abs=0.05)
    assert np.corrcoef(joined[:, :-1].ravel(), joined[:, 1:].ravel())[0, 1] == pytest.approx(0.9, abs=0.01)


def test_noise_of_other_seeds_purposes_and_days_is_other_noise() -> None:
    base = autoregressive(3, "test", 100, 2, 0.9)
    others = (
        autoregressive(4, "test", 100, 2, 0.9),
        autoregressive(3, "probe", 100, 2, 0.9),
        autoregressive(3, "test", 103, 2, 0.9),
    )
    assert all(abs(np.corrcoef(base.ravel(), other.ravel())[0, 1]) < 0.5 for other in others)
    assert timedelta(days=1) // timedelta(minutes=5) == base.shape[1] - 1
