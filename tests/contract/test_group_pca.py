"""Oracles for signals that stop moving together."""

from collections.abc import Callable

import numpy as np
import pytest

from detectors.errors import NotEnoughHistoryError
from detectors.group_pca import GroupPca
from detectors.smoothing import causal_median
from tests.contract.making import DAY, HISTORY, NAN, SEED, FloatArray, case_of, fault, window, with_values


def test_group_scores_are_pyods() -> None:
    from pyod.models.pca import PCA

    case = case_of("group_pca")
    oracle = PCA(svd_solver="full", random_state=SEED)
    smoothed = causal_median(case.history.values)
    oracle.fit(smoothed[~np.isnan(smoothed).any(axis=1)])
    expected = oracle.decision_function(causal_median(case.recent.values)[2:])
    np.testing.assert_allclose(case.fitted.score(case.recent)[2:], expected)


def test_a_missing_member_degrades_the_group_and_does_not_silence_it() -> None:
    case = case_of("group_pca")
    values = fault("group_pca", case.recent.values, DAY, DAY + 100)
    values[:, 2] = NAN
    scores = case.fitted.score(with_values(case.recent, values))
    assert not np.isnan(scores[2:]).any()
    assert np.median(scores[DAY + 10 : DAY + 100]) > np.quantile(scores[2:DAY], 0.95)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: np.column_stack([v, np.zeros(len(v))]),
        lambda v: np.column_stack([v, np.full(len(v), NAN)]),
        lambda v: np.column_stack([v, v[:, 0]]),
        lambda v: np.column_stack([v, v[:, 0] * 2 + v[:, 1]]),
    ],
    ids=["one never moves", "one never speaks", "one repeats another", "one follows from others"],
)
def test_a_member_that_adds_nothing_does_not_upset_the_group(spoil: Callable[[FloatArray], FloatArray]) -> None:
    case = case_of("group_pca")
    fitted = GroupPca(SEED).fit(window(spoil(case.history.values)))
    normal = fitted.score(window(spoil(case.recent.values), HISTORY))[2:]
    assert np.isfinite(normal).all()
    assert normal.max() < 100 * np.median(normal)
    broken = spoil(fault("group_pca", case.recent.values, DAY, DAY + 100))
    scores = fitted.score(window(broken, HISTORY))
    assert np.median(scores[DAY + 10 : DAY + 100]) > np.quantile(scores[2:DAY], 0.95)


def test_one_moving_signal_is_no_group() -> None:
    moving = np.random.default_rng(1).normal(size=(600, 1))
    with pytest.raises(NotEnoughHistoryError, match="1 moving"):
        GroupPca(SEED).fit(window(np.column_stack([moving, np.zeros(600)])))
