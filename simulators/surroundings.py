"""What all of a city's departments share on a day: weather, days off, and a match in the stadium.

Each is drawn for its day alone, so that any process can ask for any day without those before it.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.asset import Place
from core.calendar import Calendar
from simulators.noise import FloatArray, day_generator
from simulators.rhythm import DAY_US, EPOCH

HOURS = 24
_HOUR_US = DAY_US // HOURS

_YEAR_MEAN_CEL, _YEAR_SWING_CEL = 10.0, 11.5
_DAY_SWING_CEL = 4.5
_FRONT_CEL = 3.0
_FRONT_DAYS = 4
_WARMEST_DAY_OF_YEAR = 200
_WARMEST_HOUR = 15.0
_WET_DAY_SHARE = 0.33
_SHOWER_MM_H = 1.6

_SATURDAY, _WEDNESDAY = 5, 2
_MATCH_SHARE = {_SATURDAY: 0.5, _WEDNESDAY: 0.15}
_MATCH_HOURS = (19.0, 21.0)


@dataclass(frozen=True, slots=True)
class Match:
    """A match in the stadium.

    Attributes
    ----------
    start_us, end_us
        Microseconds since 1970-01-01 UTC.
    attendance
        People.
    """

    start_us: int
    end_us: int
    attendance: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Weather and occasions of one city.

    Attributes
    ----------
    seed
        The city's.
    calendar
        Its wall clock and holidays.
    stadium
        Where matches are played, WGS 84.
    """

    seed: int
    calendar: Calendar
    stadium: Place

    def temperature(self, times_us: NDArray[np.int64]) -> FloatArray:
        """Return the air temperature in Cel at each time (microseconds since 1970-01-01 UTC); shape (n,)."""
        days = np.unique(times_us // DAY_US)
        hours = np.concatenate([day * DAY_US + np.arange(HOURS + 1) * _HOUR_US for day in days])
        values = np.concatenate([_temperature(self.seed, int(day)) for day in days])
        found: FloatArray = np.interp(times_us.astype(np.float64), hours.astype(np.float64), values)
        return found

    def rain(self, times_us: NDArray[np.int64]) -> FloatArray:
        """Return the rain in mm/h at each time (microseconds since 1970-01-01 UTC); shape (n,), 0 when dry."""
        found = np.zeros(len(times_us))
        for day in np.unique(times_us // DAY_US):
            mine = times_us // DAY_US == day
            found[mine] = _rain(self.seed, int(day))[(times_us[mine] - day * DAY_US) // _HOUR_US]
        return found

    def match(self, day: int) -> Match | None:
        """Return the match that begins on a UTC day, if there is one."""
        return _match(self.seed, self.calendar, day)


def _of_front(seed: int, day: int) -> float:
    """Return how much warmer than the season a day is: fronts last some days, so neighbours share most of it."""
    drawn = [day_generator(seed, "front", max(day - back, 0)).standard_normal() for back in range(_FRONT_DAYS)]
    return float(_FRONT_CEL * np.sum(drawn) / np.sqrt(_FRONT_DAYS))


@lru_cache(maxsize=512)
def _temperature(seed: int, day: int) -> FloatArray:
    """Return the temperature at each hour of a UTC day, 00:00 to 24:00; shape (25,), Cel, without a seam."""
    hour = np.arange(HOURS + 1, dtype=np.float64)
    day_of_year = (EPOCH + timedelta(days=day)).timetuple().tm_yday
    season = _YEAR_MEAN_CEL + _YEAR_SWING_CEL * np.cos(2 * np.pi * (day_of_year - _WARMEST_DAY_OF_YEAR) / 365.25)
    daily = _DAY_SWING_CEL * np.cos(2 * np.pi * (hour - _WARMEST_HOUR + 2.0) / HOURS)
    fronts = np.interp(hour, [0.0, HOURS], [_of_front(seed, day), _of_front(seed, day + 1)])
    values: FloatArray = np.round(season + daily + fronts, 2)
    values.flags.writeable = False
    return values


@lru_cache(maxsize=512)
def _rain(seed: int, day: int) -> FloatArray:
    """Return the rain of each hour of a UTC day; shape (24,), mm/h."""
    rng = day_generator(seed, "rain", day)
    values = np.zeros(HOURS)
    if rng.random() < _WET_DAY_SHARE:
        begin = int(rng.integers(HOURS))
        lasts = int(rng.integers(1, 9))
        values[begin : begin + lasts] = np.round(
            rng.gamma(0.8, _SHOWER_MM_H / 0.8, len(values[begin : begin + lasts])), 1
        )
    values.flags.writeable = False
    return values


@lru_cache(maxsize=512)
def _match(seed: int, calendar: Calendar, day: int) -> Match | None:
    rng = day_generator(seed, "match", day)
    stamps = day * DAY_US + np.arange(HOURS * 4, dtype=np.int64) * (_HOUR_US // 4)
    clock = calendar.wall_clock(stamps.view("datetime64[us]"))
    at = np.flatnonzero((clock.hour == int(_MATCH_HOURS[0])) & (clock.minute == 0))
    if not at.size or rng.random() >= _MATCH_SHARE.get(int(clock.dayofweek[at[0]]), 0.0):
        return None
    start_us = int(stamps[at[0]])
    lasts_us = int((_MATCH_HOURS[1] - _MATCH_HOURS[0]) * _HOUR_US)
    return Match(start_us, start_us + lasts_us, int(rng.integers(4_000, 28_000)))
