"""What detectors share, against looking at one row after the other."""

from dataclasses import replace
from datetime import UTC as UTC_ZONE
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import Calendar
from detectors.slots import WeekSlots
from detectors.windows import (
    at_hand,
    carried_forward,
    filled_windows,
    fitted_until,
    least_spread,
    usual_range,
)
from tests.contract.making import NAN, FloatArray, window

gappy = st.lists(st.just(NAN) | st.floats(-1e12, 1e12), min_size=1, max_size=30)


def naive_carried(values: list[float], rows: int) -> list[list[float]]:
    found = []
    for end in range(rows, len(values) + 1):
        line: list[float] = []
        for value in values[end - rows : end]:
            line.append(line[-1] if np.isnan(value) and line else value)
        found.append(line)
    return found


@given(gappy, gappy, st.integers(1, 8))
def test_what_is_missing_is_carried_forward_within_its_window(one: list[float], other: list[float], rows: int) -> None:
    length = min(len(one), len(other))
    if length < rows:
        return
    found = carried_forward(np.array([one[:length], other[:length]]).T, rows)
    for column, values in enumerate((one, other)):
        np.testing.assert_array_equal(found[:, column], naive_carried(values[:length], rows))


@given(gappy, st.integers(1, 8))
def test_windows_are_filled_if_half_is_there_and_the_last_row_too(values: list[float], rows: int) -> None:
    expected = {}
    for end, line in enumerate(naive_carried(values, rows), start=rows - 1):
        present = [v for v in values[end - rows + 1 : end + 1] if not np.isnan(v)]
        if not np.isnan(values[end]) and 2 * len(present) >= rows:
            expected[end] = [present[0] if np.isnan(v) else v for v in line]
    found: dict[int, FloatArray] = {}
    for ends, lines in filled_windows(window(np.array(values)[:, None]), rows):
        found.update(zip(ends.tolist(), lines, strict=True))
    assert found.keys() == expected.keys()
    for end, line in expected.items():
        np.testing.assert_array_equal(found[end], line)


def test_blocks_join_without_a_seam() -> None:
    values = np.random.default_rng(1).normal(size=1_000)
    values[250:262] = NAN
    lines: dict[int, FloatArray] = {}
    for ends, windows in filled_windows(window(values[:, None]), 10):
        lines.update(zip(ends.tolist(), windows, strict=True))
    for end in (254, 255, 256, 264, 266, 270, 999):
        alone = list(filled_windows(window(values[end - 9 : end + 1, None]), 10))
        assert (end in lines) == bool(alone)
        if alone:
            np.testing.assert_array_equal(lines[end], alone[0][1][0])


def test_a_window_across_a_gap_in_time_is_not_at_hand() -> None:
    rows = window(np.zeros((10, 1)))
    assert at_hand(rows, 4).tolist() == [False] * 3 + [True] * 7
    later = np.where(np.arange(10) < 5, 0, 10)
    gap = replace(rows, times=rows.times + later * np.timedelta64(300, "s"))
    assert at_hand(gap, 4).tolist() == [False, False, False, True, True, False, False, False, True, True]
    assert at_hand(rows.rows(0, 3), 4).tolist() == [False] * 3


def test_the_last_row_says_until_when() -> None:
    until = fitted_until(window(np.zeros((3, 1))))
    assert until == datetime(2026, 3, 2, 0, 15, tzinfo=UTC_ZONE)


def test_the_usual_range_is_that_of_98_in_100_and_never_zero() -> None:
    assert usual_range(np.append(np.arange(101.0), [NAN, NAN])) == pytest.approx((50.0, 98.0))
    # A rain gauge: hardly ever anything, then a few millimetres.
    rain = np.zeros(1_000)
    rain[[10, 500, 800]] = [2.0, 4.0, 1e12]
    assert usual_range(rain) == (0.0, 4.0)
    assert np.isnan(usual_range(np.full(10, 3.0))).tolist() == [False, True]
    assert np.isnan(usual_range(np.full(10, NAN))).all()


def test_the_least_spread_is_a_share_of_a_normal_one_and_half_a_step() -> None:
    residuals = np.random.default_rng(1).normal(0.0, 2.0, 100_000)
    assert least_spread(residuals, np.array([0.0, 0.5, 3.0]), 0.1) == pytest.approx(0.2 + 0.25, rel=0.02)
    assert least_spread(np.zeros(5), np.full(5, -1e9), 0.1) == pytest.approx(1e3)
    assert least_spread(np.zeros(5), np.zeros(5), 0.1) > 0


def test_slots_follow_the_wall_clock_and_holidays_are_sundays() -> None:
    slots = WeekSlots(Calendar("Europe/Bucharest", "RO"), 900.0)
    # Mondays at 10:07, in winter and in summer time; 1 June is Children's Day, a Monday in 2026.
    times = np.array(["2026-03-02T08:07", "2026-05-04T07:07", "2026-06-01T07:07"], dtype="datetime64[us]")
    assert slots.of(times).tolist() == [40, 40, 6 * 96 + 40]
    assert np.diff(slots.local_day(np.array(["2026-03-02T21:59", "2026-03-02T22:00"], dtype="datetime64[us]"))) == [1]


@pytest.mark.parametrize(("step_s", "a_day"), [(60, 96), (900, 96), (3_600, 24), (7_000, 13), (200_000, 1)])
def test_a_slot_is_no_shorter_than_the_interval_of_the_rows(step_s: int, a_day: int) -> None:
    rows = window(np.zeros((200, 1)), step_s=step_s)
    slots = WeekSlots.fitting(rows)
    assert slots.a_day == a_day
    assert slots.of(rows.times).max() < 7 * a_day
