"""Detectors of one slot of the week, and of the hours before a row, against their definitions."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import Calendar
from detectors.errors import NotEnoughHistoryError
from detectors.protocol import Window
from detectors.slot_median import SlotMedian
from detectors.slot_neighbours import SlotNeighbours
from detectors.windowed_gaussian import WINDOW_ROWS, WindowedGaussian
from detectors.windows import least_spread
from tests.contract.making import NAN, FloatArray, window, with_values

BUCHAREST = Calendar("Europe/Bucharest", "RO")
HOUR_S = 3_600
A_WEEK = 7 * 24


class Past(NamedTuple):
    slot: int
    weekday: int
    day: int
    value: float


def series(step_s: int, weeks: int, seed: int) -> FloatArray:
    drawn = np.random.default_rng(seed).gamma(2.0, 10.0, (weeks * 7 * 86_400 // step_s, 1)) - 5.0
    drawn[np.random.default_rng(seed + 1).random(len(drawn)) < 0.3] = NAN
    return np.asarray(np.round(drawn, 1), dtype=np.float64)


def described(rows: Window, slot_s: int = HOUR_S) -> Iterator[Past]:
    clock = rows.calendar.wall_clock(rows.times)
    for time, weekday, value in zip(clock, rows.calendar.weekday(clock), rows.values[:, 0], strict=True):
        seconds = time.hour * 3_600 + time.minute * 60
        yield Past(seconds // slot_s, int(weekday), time.toordinal(), float(value))


def candidates(past: list[Past], row: Past, least: int, *, unseen: bool) -> list[float]:
    """Return the past values that a row is judged by, as the detectors' documentation has it."""
    known = [one for one in past if one.slot == row.slot and not np.isnan(one.value)]
    weekday = [one for one in known if one.weekday == row.weekday]
    if len(weekday) < least or len({one.day for one in weekday}) < 2:
        weekday = known if len(known) >= least and len({one.day for one in known}) >= 3 else []
    return [one.value for one in weekday if not (unseen and one.day == row.day)]


def by_median(values: list[float], value: float, floor: float) -> float:
    if len(values) < 3 or np.isnan(value):
        return NAN
    centre = np.median(values)
    return float(abs(value - centre) / max(1.4826 * np.median(np.abs(np.array(values) - centre)), floor))


def by_neighbours(values: list[float], value: float) -> float:
    if len(values) < 3 or np.isnan(value):
        return NAN
    powered = [np.sign(v) * abs(v) ** 0.7 for v in (*values, value)]
    apart = sorted(abs(v - powered[-1]) for v in powered[:-1])
    nearest = max(len(apart) // 5, 3)
    return float(np.mean(apart[:nearest]))


def floor_of(history: Window, past: list[Past]) -> float:
    known = [row for row in past if not np.isnan(row.value)]
    slots = {(row.slot, row.weekday): row for row in known}
    centres = {key: np.median(candidates(past, row, 3, unseen=False) or NAN) for key, row in slots.items()}
    residuals = np.array([row.value - centres[row.slot, row.weekday] for row in known])
    return least_spread(residuals[~np.isnan(residuals)], np.array([row.value for row in known]), 0.25)


@pytest.mark.parametrize(("step_s", "weeks"), [(600, 1), (600, 3), (HOUR_S, 2), (HOUR_S, 6)])
def test_slots_are_judged_by_their_past(step_s: int, weeks: int) -> None:
    # The clock is put forward on 29 March; 10 and 13 April are holidays.
    history = window(series(step_s, weeks, 1), calendar=BUCHAREST, step_s=step_s)
    recent = window(series(step_s, 1, 2), len(history), BUCHAREST, step_s)
    slot_s = max(900, step_s)
    past, rows = list(described(history, slot_s)), list(described(recent, slot_s))
    floor = floor_of(history, past)
    by_the_median = [by_median(candidates(past, row, 3, unseen=False), row.value, floor) for row in rows]
    np.testing.assert_allclose(SlotMedian().fit(history).score(recent), by_the_median)
    by_the_nearest = [by_neighbours(candidates(past, row, 4, unseen=False), row.value) for row in rows]
    np.testing.assert_allclose(SlotNeighbours().fit(history).score(recent), by_the_nearest, atol=1e-12)
    assert not np.isnan([by_the_median, by_the_nearest]).all(axis=1).any()


@pytest.mark.parametrize(("step_s", "weeks"), [(600, 1), (600, 3), (HOUR_S, 2), (HOUR_S, 6)])
def test_unseen_rows_are_judged_by_other_days(step_s: int, weeks: int) -> None:
    history = window(series(step_s, weeks, 1), calendar=BUCHAREST, step_s=step_s)
    past = list(described(history, max(900, step_s)))
    floor = floor_of(history, past)
    by_the_median = [by_median(candidates(past, row, 3, unseen=True), row.value, floor) for row in past]
    np.testing.assert_allclose(SlotMedian().unseen_scores(history), by_the_median)
    by_the_nearest = [by_neighbours(candidates(past, row, 4, unseen=True), row.value) for row in past]
    np.testing.assert_allclose(SlotNeighbours().unseen_scores(history), by_the_nearest, atol=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), min_size=28, max_size=60), st.lists(st.floats(-1e7, 1e7), min_size=1, max_size=9))
def test_neighbours_are_the_nearest(past: list[float], values: list[float]) -> None:
    # One value a day: a slot of one weekday has 4 to 9 of them.
    history = window(np.array(past + [0.0] * 12)[:, None], step_s=86_400)
    recent = window(np.array(values)[:, None], len(history), step_s=86_400)
    rows = list(described(history, 86_400))
    expected = [by_neighbours(candidates(rows, row, 4, unseen=False), row.value) for row in described(recent, 86_400)]
    np.testing.assert_allclose(SlotNeighbours().fit(history).score(recent), expected, rtol=1e-9, atol=1e-9)


def test_a_value_between_two_habits_is_not_normal() -> None:
    """A pump that runs every other week: the median of its slots knows only one of both."""
    rows = np.arange(8 * A_WEEK)
    values = np.where(rows // A_WEEK % 2 == 0, 10.0, 90.0) + np.random.default_rng(1).normal(0, 1, len(rows))
    fitted = SlotNeighbours().fit(window(values[:, None], step_s=HOUR_S))
    recent = window(np.array([[10.0], [90.0], [50.0]]), len(rows), step_s=HOUR_S)
    low, high, between = fitted.score(recent)
    assert max(low, high) * 5 < between


def test_hours_without_a_past_are_not_judged() -> None:
    office_hours = np.where(np.arange(3 * A_WEEK) % 24 < 8, 5.0 + np.arange(3 * A_WEEK) % 7, NAN)
    history = window(office_hours[:, None], step_s=HOUR_S)
    for detector in (SlotMedian(), SlotNeighbours()):
        scores = detector.fit(history).score(with_values(history, np.full((len(history), 1), 7.0)))
        np.testing.assert_array_equal(np.isnan(scores), np.isnan(office_hours))
        with pytest.raises(NotEnoughHistoryError, match="67% of the week"):
            detector.fit(history.rows(0, 2 * A_WEEK))


def test_three_days_are_enough_for_a_slot_of_all_days() -> None:
    drawn = np.random.default_rng(1).normal(size=(4 * 24, 1))
    history = window(drawn, step_s=HOUR_S)
    later = window(np.zeros((24, 1)), len(history), step_s=HOUR_S)
    assert not np.isnan(SlotMedian().fit(history.rows(0, 72)).score(later)).any()
    assert not np.isnan(SlotNeighbours().fit(history).score(later)).any()
    with pytest.raises(NotEnoughHistoryError, match="100%"):
        SlotMedian().fit(history.rows(0, 48))


@given(st.lists(st.just(NAN) | st.floats(-1e4, 1e4), min_size=1, max_size=140))
def test_z_scores_are_those_of_the_rows_before(values: list[float]) -> None:
    fitted = WindowedGaussian().fit(window(np.linspace(0, 1, 200)[:, None]))
    found = fitted.score(window(np.array(values)[:, None]))
    for row, value in enumerate(values):
        before = np.array([v for v in values[max(row - WINDOW_ROWS, 0) : row] if not np.isnan(v)])
        if np.isnan(value) or len(before) < WINDOW_ROWS // 4:
            assert np.isnan(found[row])
        else:
            expected = abs(value - before.mean()) / max(before.std(), fitted.floor)
            assert found[row] == pytest.approx(expected, rel=1e-6, abs=1e-6)
