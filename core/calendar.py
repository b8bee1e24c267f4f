"""The city's own calendar: its wall clock, and its days off."""

from dataclasses import dataclass
from functools import lru_cache

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

DAY_S = 86_400
WEEK_S = 7 * DAY_S

_SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Calendar:
    """People's habits follow the wall clock and the public holidays, not UTC.

    Attributes
    ----------
    time_zone
        IANA name.
    country
        ISO 3166-1 alpha-2 code; empty means that no holidays are known.
    """

    time_zone: str
    country: str = ""

    def wall_clock(self, times: NDArray[np.datetime64]) -> pd.DatetimeIndex:
        """Return the wall clock's reading of each UTC time, without a zone.

        The hour that is repeated in autumn appears twice, the one left out in spring not at all.
        """
        return pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(self.time_zone).tz_localize(None)

    def weekday(self, clock: pd.DatetimeIndex) -> NDArray[np.int64]:
        """Return the day of the week of each wall clock reading, Monday = 0; a public holiday is a Sunday."""
        days = np.asarray(clock.dayofweek, dtype=np.int64)
        dates = np.asarray(clock.normalize(), dtype="datetime64[D]")
        for date in np.unique(dates):
            if _is_holiday(self.country, date.item().year, date.item().isoformat()):
                days = np.where(dates == date, _SUNDAY, days)
        return days

    def second_of_week(self, times: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Return the seconds since Monday 00:00 on the wall clock, 0 to 604,799; shape (n,)."""
        clock = self.wall_clock(times)
        seconds = clock.hour * 3600 + clock.minute * 60 + clock.second
        return np.asarray(self.weekday(clock) * DAY_S + np.asarray(seconds), dtype=np.int64)


@lru_cache(maxsize=256)
def _holidays(country: str, year: int) -> frozenset[str]:
    if country not in holidays.list_supported_countries():
        return frozenset()
    return frozenset(day.isoformat() for day in holidays.country_holidays(country, years=year))


def _is_holiday(country: str, year: int, date: str) -> bool:
    return bool(country) and date in _holidays(country, year)
