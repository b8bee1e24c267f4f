"""What a city does by the hour: local time, humps of demand, and the sun."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.calendar import Calendar
from simulators.noise import STEP_S, STEPS, FloatArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
_MICROSECOND = timedelta(microseconds=1)
_SATURDAY = 5


def to_us(time: datetime) -> int:
    """Return microseconds since 1970-01-01 UTC, exactly."""
    return (time - EPOCH) // _MICROSECOND


def to_datetime(time_us: int) -> datetime:
    """Return the UTC time of microseconds since 1970-01-01 UTC, exactly."""
    return EPOCH + timedelta(microseconds=time_us)


def day_times_us(day: int) -> NDArray[np.int64]:
    """Return the 288 stamps of a UTC day, 00:00 to 23:55, in microseconds since 1970-01-01 UTC."""
    return day * DAY_US + np.arange(STEPS, dtype=np.int64) * (STEP_S * 1_000_000)


@dataclass(frozen=True, slots=True)
class LocalDay:
    """The local clock at each 300 s of one UTC day, 00:00 to 24:00 UTC.

    Attributes
    ----------
    hour
        Shape (289,): local time of day in hours, 0 to 24.
    weekend
        Shape (289,): True on a local Saturday, Sunday or public holiday.
    """

    hour: FloatArray
    weekend: NDArray[np.bool_]


@lru_cache(maxsize=64)
def local_day(calendar: Calendar, day: int) -> LocalDay:
    """Return the local clock of a UTC day; daylight saving and holidays are the calendar's business."""
    begin_us = day * DAY_US
    stamps_us = begin_us + np.arange(STEPS + 1, dtype=np.int64) * (STEP_S * 1_000_000)
    clock = calendar.wall_clock(stamps_us.view("datetime64[us]"))
    hour = np.asarray(clock.hour + clock.minute / 60 + clock.second / 3600, dtype=np.float64)
    return LocalDay(hour, calendar.weekday(clock) >= _SATURDAY)


def hump(hour: FloatArray, centre_h: float, width_h: float) -> FloatArray:
    """Return a bell of height 1 around an hour of the day; it wraps around midnight."""
    distance = (hour - centre_h + 12.0) % 24.0 - 12.0
    return np.exp(-((distance / width_h) ** 2))


def water_demand(local: LocalDay) -> FloatArray:
    """Return demand relative to an ordinary day's mean: two humps, the first later and lower at weekends."""
    hour = local.hour
    workday = 0.69 + 0.77 * hump(hour, 7.5, 1.7) + 0.35 * hump(hour, 13.0, 3.0) + 0.77 * hump(hour, 19.5, 2.4)
    weekend = 0.72 + 0.81 * hump(hour, 10.0, 2.5) + 0.42 * hump(hour, 14.5, 2.8) + 0.64 * hump(hour, 19.5, 2.6)
    return np.where(local.weekend, weekend, workday)


def traffic_peak(local: LocalDay) -> FloatArray:
    """Return how congested the streets are, 0 (empty) to about 1."""
    hour = local.hour
    workday = hump(hour, 8.0, 1.3) + 0.35 * hump(hour, 13.0, 3.5) + 0.95 * hump(hour, 17.3, 1.8)
    weekend = 0.45 * hump(hour, 12.5, 3.5) + 0.35 * hump(hour, 18.0, 2.5)
    return np.where(local.weekend, weekend, workday)


def ridership(local: LocalDay) -> FloatArray:
    """Return how full a bus is at the busiest part of its line, 0 to about 1."""
    hour = local.hour
    workday = 0.07 + 0.72 * hump(hour, 8.0, 1.6) + 0.35 * hump(hour, 13.0, 3.2) + 0.62 * hump(hour, 17.0, 2.1)
    weekend = 0.08 + 0.42 * hump(hour, 13.0, 4.0) + 0.20 * hump(hour, 19.0, 2.5)
    return np.where(local.weekend, weekend, workday)


def sun_elevation(latitude: float, longitude: float, day: int) -> FloatArray:
    """Return the sun's elevation above the horizon at each 300 s of a UTC day.

    Parameters
    ----------
    latitude, longitude
        WGS 84, in decimal degrees; east is positive.

    Returns
    -------
    Shape (289,), in degrees; without refraction.

    Source
    ------
    NOAA Global Monitoring Laboratory, *General Solar Position Calculations* (solar calculation details), the
    low-accuracy series; a year is taken as 365 days, which costs less than a minute of sunset.
    """
    minute = np.arange(STEPS + 1) * (STEP_S / 60)
    day_of_year = (EPOCH + timedelta(days=day)).timetuple().tm_yday
    year = 2 * np.pi / 365 * (day_of_year - 1 + (minute / 60 - 12) / 24)
    sin, cos = np.sin, np.cos
    equation_of_time_min = 229.18 * (
        0.000075 + 0.001868 * cos(year) - 0.032077 * sin(year) - 0.014615 * cos(2 * year) - 0.040849 * sin(2 * year)
    )
    declination = (
        0.006918
        - 0.399912 * cos(year)
        + 0.070257 * sin(year)
        - 0.006758 * cos(2 * year)
        + 0.000907 * sin(2 * year)
        - 0.002697 * cos(3 * year)
        + 0.00148 * sin(3 * year)
    )
    hour_angle = np.radians((minute + equation_of_time_min + 4 * longitude) / 4 - 180)
    phi = np.radians(latitude)
    elevation: FloatArray = np.degrees(
        np.arcsin(sin(phi) * sin(declination) + cos(phi) * cos(declination) * cos(hour_angle))
    )
    return elevation
