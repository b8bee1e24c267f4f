"""Oracles for runs of equal values."""

import numpy as np
import pytest

from detectors.flat_line import LOOKBACK_ROWS, FlatLine
from tests.contract.making import NAN, window


def test_runs_are_followed_no_further_than_the_lookback_and_across_gaps() -> None:
    history = window(np.arange(300.0)[:, None] % 7)
    fitted = FlatLine().fit(history)
    values = np.full((LOOKBACK_ROWS + 20, 1), 3.0)
    values[5:8] = NAN
    lengths = fitted.score(window(values)) * fitted.longest_run
    assert lengths[:5].tolist() == [1, 2, 3, 4, 5]
    assert lengths[8] == 6
    assert lengths[-1] == LOOKBACK_ROWS + 1


def test_means_of_equal_readings_are_a_flat_line() -> None:
    fitted = FlatLine().fit(window(np.random.default_rng(1).normal(0.1, 0.01, (300, 1))))
    # Sums of one tenth, divided by how many there are, differ in the last bit.
    means = np.array([[sum([0.1] * n) / n] for n in range(1, 60)])
    assert len(np.unique(means)) > 1
    assert fitted.score(window(means))[-1] * fitted.longest_run == pytest.approx(59)


def test_p_values_of_runs_are_those_of_independent_repetitions() -> None:
    fitted = FlatLine().fit(window(np.repeat(np.arange(100.0), 5)[:, None]))
    assert (fitted.longest_run, fitted.rows) == (5, 500)
    # Half as long again as the longest seen is what comes once in the history.
    np.testing.assert_allclose(fitted.p_values(np.array([0.0, 1.5, 3.0])), [1.0, 1 / 500, 1 / 250_000])


def test_where_a_series_often_rests_it_is_not_judged() -> None:
    """A pump that is off for hours, and runs with a flow that never repeats."""
    flow = np.where(np.arange(400) % 40 < 25, 0.0, 30.0 + np.arange(400) * 0.01)
    fitted = FlatLine().fit(window(flow[:, None]))
    assert fitted.resting == (0.0,)
    stuck = np.array([0.0] * 100 + [31.5] * 60)
    scores = fitted.score(window(stuck[:, None]))
    assert np.isnan(scores[:100]).all()
    assert scores[-1] * fitted.longest_run == pytest.approx(60)


def test_a_coarse_instrument_or_one_that_never_moves_does_not_rest() -> None:
    assert FlatLine().fit(window(np.arange(300.0)[:, None] % 7)).resting == ()
    assert FlatLine().fit(window(np.full((300, 1), 4.0))).resting == ()
