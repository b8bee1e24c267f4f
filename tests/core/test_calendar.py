from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.calendar import DAY_S, WEEK_S, Calendar

BUCHAREST = Calendar("Europe/Bucharest", "RO")
H = 3600
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)


def utc(*times: str) -> NDArray[np.datetime64]:
    return np.array(times, dtype="datetime64[us]")


def at(calendar: Calendar, *times: str) -> list[tuple[int, float]]:
    """Return weekday and hour of UTC times."""
    return [(int(s // DAY_S), s % DAY_S / H) for s in calendar.second_of_week(utc(*times))]


def test_the_clock_is_put_forward_in_spring() -> None:
    # 29 March 2026, 03:00 EET is 04:00 EEST.
    assert at(BUCHAREST, "2026-03-29T00:59:00", "2026-03-29T01:00:00") == [(SUN, 2 + 59 / 60), (SUN, 4)]


def test_an_hour_comes_twice_in_autumn() -> None:
    # 25 October 2026, 04:00 EEST is 03:00 EET.
    assert at(BUCHAREST, "2026-10-25T00:30:00", "2026-10-25T01:30:00", "2026-10-25T02:30:00") == [
        (SUN, 3.5),
        (SUN, 3.5),
        (SUN, 4.5),
    ]


def test_the_days_are_the_citys_own() -> None:
    assert at(BUCHAREST, "2026-03-01T21:59:00", "2026-03-01T22:00:00") == [(SUN, 23 + 59 / 60), (MON, 0)]
    assert at(Calendar("America/New_York"), "2026-03-02T04:00:00") == [(SUN, 23)]


@pytest.mark.parametrize("day", ["2026-01-01", "2026-12-01", "2026-04-13", "2027-05-03"])
def test_a_public_holiday_is_a_sunday(day: str) -> None:
    # New Year, National Day, and Easter Monday, which the Orthodox calendar moves.
    assert date.fromisoformat(day).weekday() != SUN
    assert at(BUCHAREST, f"{day}T10:00:00")[0][0] == SUN
    assert at(Calendar("Europe/Bucharest"), f"{day}T10:00:00")[0][0] == date.fromisoformat(day).weekday()


def test_a_holiday_begins_and_ends_at_the_citys_midnight() -> None:
    around = at(BUCHAREST, "2026-11-30T21:59:00", "2026-11-30T22:00:00", "2026-12-01T21:59:00", "2026-12-01T22:00:00")
    # 30 November is a holiday too, Saint Andrew's.
    assert [day for day, _ in around] == [SUN, SUN, SUN, WED]


def test_a_leap_day_is_a_day_like_any_other() -> None:
    assert at(BUCHAREST, "2028-02-28T12:00:00", "2028-02-29T12:00:00", "2028-03-01T12:00:00") == [
        (MON, 14),
        (TUE, 14),
        (WED, 14),
    ]


def test_an_unknown_country_has_no_holidays() -> None:
    assert at(Calendar("UTC", "XX"), "2026-01-01T00:00:00") == [(THU, 0)]


def test_no_times_give_none() -> None:
    assert BUCHAREST.second_of_week(utc()).shape == (0,)


@given(st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), max_size=5))  # noqa: DTZ001 - aware below
def test_utc_without_holidays_is_plain_arithmetic(times: list[datetime]) -> None:
    monday = datetime(1990, 1, 1, tzinfo=UTC)
    expected = [int((t.replace(tzinfo=UTC) - monday) // timedelta(seconds=1)) % WEEK_S for t in times]
    found = Calendar("UTC").second_of_week(np.array(times, dtype="datetime64[us]"))
    assert found.tolist() == expected
