from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.grid import Grid, end_of, step_of
from engine.subject import step_at, time_of

NAN = float("nan")
arrivals = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 1), st.integers(-5, 5)), max_size=40)


def test_a_step_holds_its_end_but_not_its_beginning() -> None:
    times = np.array(["2000-01-01T00:00", "2000-01-01T00:00:00.000001", "2000-01-01T00:05", "1999-12-31T23:55:00.1"])
    assert step_of(times.astype("datetime64[us]"), 300).tolist() == [0, 1, 1, 0]
    assert end_of(np.array([1]), 300)[0] == np.datetime64("2000-01-01T00:05")


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), st.sampled_from([1, 60, 300, 900]))  # noqa: DTZ001 - aware below
def test_a_time_lies_in_the_step_that_ends_next(time: datetime, step_s: int) -> None:
    aware = time.replace(tzinfo=UTC)
    step = step_at(aware, step_s)
    assert time_of(step - 1, step_s) < aware <= time_of(step, step_s)


@given(arrivals, st.integers(1, 20))
def test_a_grid_holds_the_means_of_its_latest_steps_whatever_the_order(
    readings: list[tuple[int, int, int]], size: int
) -> None:
    grid = Grid.ending_at(0, size, 2)
    last = 0
    for step, column, value in readings:
        last = max(last, step)
        grid.advance_to(step)
        grid.add(np.array([step]), np.array([column]), np.array([float(value)]))
    expected = np.full((size, 2), NAN)
    for row, step in enumerate(range(last - size + 1, last + 1)):
        for column in range(2):
            # What had slid out when it came is left out; what slid out later is not held any more.
            values = [v for s, c, v in readings if (s, c) == (step, column)]
            if values:
                expected[row, column] = np.mean(values)
    assert grid.last == last
    np.testing.assert_allclose(grid.means(), expected)


def test_usual_samples_look_at_steps_that_have_any() -> None:
    grid = Grid.ending_at(3, 4, 2)
    grid.add(np.array([0, 0, 1, 1, 3]), np.zeros(5, dtype=np.int64), np.ones(5))
    np.testing.assert_array_equal(grid.samples_per_step(), [2.0, NAN])
