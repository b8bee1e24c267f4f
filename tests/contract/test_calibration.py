import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.calibration import TAIL_SHARE, _pareto, fit_tail
from detectors.errors import NotEnoughHistoryError

ROWS = 20_000
NAN = float("nan")


def exponential(seed: int, rows: int = ROWS) -> NDArray[np.float64]:
    return np.random.default_rng(seed).exponential(1.0, rows)


def generalised_pareto(seed: int, shape: float) -> NDArray[np.float64]:
    uniform = np.random.default_rng(seed).uniform(size=ROWS)
    return np.asarray((uniform**-shape - 1) / shape, dtype=np.float64)


def test_p_values_of_the_body_are_uniform() -> None:
    p_values = fit_tail(exponential(1)).p_values(exponential(2))
    for level in np.arange(0.1, 1.0, 0.1):
        assert (p_values < level).mean() == pytest.approx(level, abs=0.02)


def lone_peaks(seed: int, shape: float | None) -> NDArray[np.float64]:
    """Return scores whose extremes lie far apart, so that each is a cluster of its own: a tail in one row of twenty."""
    drawn = exponential(seed, ROWS) if shape is None else generalised_pareto(seed, shape)
    scores = np.random.default_rng(seed + 100).uniform(-1.0, 0.0, ROWS)
    scores[::20] = drawn[::20]
    return scores


@pytest.mark.parametrize("shape", [None, 0.2, 0.4])
@pytest.mark.parametrize("one_in", [1e3, 1e4, 1e5])
def test_p_values_of_the_tail_are_right_within_a_factor(shape: float | None, one_in: float) -> None:
    calibrator = fit_tail(lone_peaks(3, shape))
    upper = 20.0 / one_in
    quantile = -np.log(upper) if shape is None else (upper**-shape - 1) / shape
    ratio = calibrator.p_values(np.array([quantile]))[0] * one_in
    # Beyond the data, a shape held at 0.1 or more overrates the tail of an exponential: it errs to fewer alerts.
    assert 1 / 2.5 < ratio < (2.5 if one_in <= 1e4 else 8.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=100, max_size=300), st.lists(st.floats(-1e7, 1e7), max_size=30))
def test_p_values_fall_with_the_score_and_stay_probabilities(past: list[float], scores: list[float]) -> None:
    calibrator = fit_tail(np.array(past))
    p_values = calibrator.p_values(np.sort(np.array([*scores, calibrator.tail_start], dtype=np.float64)))
    assert (np.diff(p_values) <= 1e-12).all()
    assert ((p_values > 0) & (p_values <= 1)).all()


def test_not_judged_stays_not_judged() -> None:
    scores = exponential(1, 300)
    calibrator = fit_tail(scores)
    np.testing.assert_array_equal(np.isnan(calibrator.p_values(np.array([NAN, 1.0, NAN]))), [True, False, True])
    with_gaps = fit_tail(np.insert(scores, 50, NAN))
    np.testing.assert_array_equal(with_gaps.p_values(scores), calibrator.p_values(scores))


def test_neighbouring_excesses_are_one_cluster() -> None:
    rows = np.random.default_rng(1).uniform(0.0, 1.0, 2_000)
    rows[500:560] = 5.0 + np.arange(60) / 100
    rows[1_500:1_540] = 6.0
    together, apart = fit_tail(rows), fit_tail(np.random.default_rng(2).permutation(rows))
    assert together.tail_share < apart.tail_share / 3
    assert together.p_values(np.array([10.0])) < apart.p_values(np.array([10.0]))


def test_a_past_of_equal_scores_divides_nothing_by_zero() -> None:
    calibrator = fit_tail(np.zeros(200))
    p_values = calibrator.p_values(np.array([0.0, 1.0]))
    assert p_values[0] == 1.0
    assert 0 < p_values[1] < TAIL_SHARE


def test_the_estimator_is_that_of_hosking_and_wallis() -> None:
    # By hand, for 1, 2, 4, 9 with plotting positions (i - 0.35) / 4 = .1625 .4125 .6625 .9125:
    # a0 = 4; a1 = (.8375 + 2 x .5875 + 4 x .3375 + 9 x .0875) / 4 = 1.0375;
    # shape = 2 - a0 / (a0 - 2 a1) = 2 - 4 / 1.925; scale = 2 a0 a1 / (a0 - 2 a1) = 8.3 / 1.925.
    # That shape is below the range, where the scale keeps the mean: 4 x (1 - 0.1).
    assert _pareto(np.array([1.0, 2.0, 4.0, 9.0]), floor=0.0) == pytest.approx((3.6, 0.1))
    # For 1, 2, 4, 30: a0 = 37 / 4; a1 = (.8375 + 1.175 + 1.35 + 2.625) / 4 = 1.496875;
    # shape = 2 - 9.25 / 6.25625; scale = 2 x 9.25 x 1.496875 / 6.25625.
    # shape is .5215, above the range; held at .5 the scale is 9.25 x .5.
    assert _pareto(np.array([1.0, 2.0, 4.0, 30.0]), floor=0.0) == pytest.approx((4.625, 0.5))
    # For 1, 2, 4, 20: a0 = 6.75; a1 = (.8375 + 1.175 + 1.35 + 1.75) / 4 = 1.278125; both inside the range.
    scale, shape = _pareto(np.array([1.0, 2.0, 4.0, 20.0]), floor=0.0)
    assert shape == pytest.approx(2 - 6.75 / 4.19375)
    assert scale == pytest.approx(2 * 6.75 * 1.278125 / 4.19375)


def test_a_hundred_scores_are_needed() -> None:
    fit_tail(exponential(1, 100))
    with pytest.raises(NotEnoughHistoryError, match="99 scores"):
        fit_tail(np.append(exponential(1, 99), [NAN] * 50))
