"""The service day, from 03:00 to 03:00 on the local clock, and what people do by its hour.

Streets and lines are followed service day by service day. At 03:00 queues are empty and vehicles in the depot, so that
any day can be had without those before it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.calendar import Calendar
from simulators.noise import FloatArray
from simulators.rhythm import DAY_US, hump

NODE_S = 300
"""Seconds between two states of the streets."""

NODE_US = NODE_S * 1_000_000
_BEGINS_H = 3
_SATURDAY, _SUNDAY = 5, 6
_HOUR_NODES = 3_600 // NODE_S
_NIGHT_IN, _NIGHT_OUT = 0.09, 0.19

_Service = tuple[tuple[float, ...], tuple[float, ...]]
_WORKDAY_SERVICE: _Service = (
    (4.75, 6.0, 6.5, 9.5, 14.5, 18.75, 20.5, 23.75),
    (0.0, 0.4, 0.68, 0.95, 0.68, 0.95, 0.68, 0.4, 0.0),
)
_FREE_DAY_SERVICE: tuple[_Service, _Service] = (
    ((4.75, 6.0, 20.5, 23.75), (0.0, 0.32, 0.55, 0.32, 0.0)),
    ((4.75, 6.0, 20.5, 23.75), (0.0, 0.32, 0.48, 0.32, 0.0)),
)
"""Hours until which, and the shares of vehicles in service until then; Saturday and Sunday."""


@dataclass(frozen=True, slots=True)
class ServiceDay:
    """One service day.

    Attributes
    ----------
    number
        Days since 1970-01-01 of its date on the wall clock.
    start_us
        When it begins, microseconds since 1970-01-01 UTC.
    steps
        Steps of `NODE_S` until the next begins: 288, but for daylight saving.
    weekday
        Monday = 0; a public holiday is a Sunday.
    """

    number: int
    start_us: int
    steps: int
    weekday: int

    @property
    def end_us(self) -> int:
        """When the next begins, microseconds since 1970-01-01 UTC."""
        return self.start_us + self.steps * NODE_US


@lru_cache(maxsize=1_024)
def _begin_us(calendar: Calendar, number: int) -> int:
    stamps = number * DAY_US + np.arange(-15 * _HOUR_NODES, 27 * _HOUR_NODES, dtype=np.int64) * NODE_US
    clock = calendar.wall_clock(stamps.view("datetime64[us]"))
    dates = np.asarray(clock.normalize(), dtype="datetime64[D]").astype(np.int64)
    return int(stamps[(dates == number) & (np.asarray(clock.hour) >= _BEGINS_H)][0])


@lru_cache(maxsize=512)
def service_day(calendar: Calendar, number: int) -> ServiceDay:
    """Return the service day of a date on the wall clock, in days since 1970-01-01."""
    start_us, end_us = _begin_us(calendar, number), _begin_us(calendar, number + 1)
    noon = calendar.wall_clock(np.array([start_us + 9 * _HOUR_NODES * NODE_US], dtype=np.int64).view("datetime64[us]"))
    return ServiceDay(number, start_us, (end_us - start_us) // NODE_US, int(calendar.weekday(noon)[0]))


def service_days(calendar: Calendar, start_us: int, end_us: int) -> tuple[ServiceDay, ...]:
    """Return the service days that share time with a span, in order."""
    numbers = range(start_us // DAY_US - 2, end_us // DAY_US + 2)
    days = (service_day(calendar, number) for number in numbers)
    return tuple(day for day in days if day.start_us < end_us and day.end_us > start_us)


@lru_cache(maxsize=64)
def clock_hours(calendar: Calendar, day: ServiceDay) -> FloatArray:
    """Return the local hour at each node of a service day; shape (steps + 1,), 0 to below 24; read-only."""
    stamps = day.start_us + np.arange(day.steps + 1, dtype=np.int64) * NODE_US
    clock = calendar.wall_clock(stamps.view("datetime64[us]"))
    hours = np.asarray(clock.hour + clock.minute / 60, dtype=np.float64)
    hours.flags.writeable = False
    return hours


def traffic_humps(hour: FloatArray, weekday: int) -> FloatArray:
    """Return how many cars set out, relative to a workday's mean: to work, from work, and the rest.

    Returns
    -------
    Shape (3, n); the sum of the three is about 1 on the mean of a workday.
    """
    night = _night(hour, weekday)
    if weekday < _SATURDAY:
        level = (0.95, 0.98, 1.0, 1.03, 1.04)[weekday]
        rest = 1.1 * hump(hour, 12.2, 3.9) + 0.42 * hump(hour, 21.4, 2.2)
        going, coming = 1.38 * hump(hour, 7.7, 1.75), 1.52 * hump(hour, 17.2, 2.5)
        return np.stack([level * going, level * coming, night + level * rest])
    level = 1.1 if weekday == _SATURDAY else 0.97
    rest = 1.5 * hump(hour, 13.4, 4.5) + 0.5 * hump(hour, 18.3, 2.4) + 0.55 * hump(hour, 22.4, 2.3)
    return np.stack([np.zeros_like(hour), np.zeros_like(hour), night + level * rest])


def _night(hour: FloatArray, weekday: int) -> FloatArray:
    """Return who is always about, more so in the nights before Saturday and Sunday; the same on both sides of 03:00."""
    before, after = (_NIGHT_OUT if day % 7 >= _SATURDAY else _NIGHT_IN for day in (weekday, weekday + 1))
    since = np.where(hour < _BEGINS_H, hour + 24.0, hour)
    return np.interp(since, [3.0, 6.0, 21.0, 27.0], [before, _NIGHT_IN, _NIGHT_IN, after])


def traffic_level(hour: FloatArray, weekday: int) -> FloatArray:
    """Return how busy the streets usually are, 0 to 1 (the worst of a workday); shape (n,)."""
    worst = traffic_humps(np.arange(0.0, 24.0, 0.25), 3).sum(axis=0).max()
    level: FloatArray = traffic_humps(hour, weekday).sum(axis=0) / worst
    return level


def riders_level(hour: FloatArray, weekday: int) -> FloatArray:
    """Return how many people wait at stops, 0 to about 1; shape (n,)."""
    if weekday < _SATURDAY:
        return 0.06 + 0.8 * hump(hour, 7.8, 1.4) + 0.42 * hump(hour, 13.0, 3.4) + 0.72 * hump(hour, 16.9, 2.2)
    level = 1.0 if weekday == _SATURDAY else 0.82
    return level * (0.07 + 0.42 * hump(hour, 13.0, 3.8) + 0.26 * hump(hour, 18.5, 2.8))


def service_level(hour: FloatArray, weekday: int) -> FloatArray:
    """Return the share of a line's vehicles that the timetable uses; shape (n,), 0 when there is no service."""
    until, shares = _WORKDAY_SERVICE if weekday < _SATURDAY else _FREE_DAY_SERVICE[weekday - _SATURDAY]
    return np.array(shares)[np.searchsorted(until, hour, side="right")]
