"""Laws that every registered detector keeps."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from detectors.errors import NotEnoughHistoryError
from detectors.protocol import Scope
from detectors.registry import DETECTORS
from tests.contract.making import DAY, FIRST, NAN, RECENT, SEED, Case, FloatArray, case_of, fault, with_values

_SMOOTHING = 10
"""Rows after which a fault shows."""

_NEED_MOVEMENT = {
    "group_pca",
    "matrix_profile",
    "spectral_residual",
    "iforest_lags",
    "ecod_lags",
    "pca_lags",
}
"""They refuse a history that never moves."""


@pytest.fixture(params=sorted(DETECTORS))
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param)


def faulty_scores(case: Case, scores: FloatArray) -> FloatArray:
    """Return the scores of rows that a fault has changed; of one that lasts, not the first few."""
    changed = np.flatnonzero((fault(case.name, case.recent.values) != case.recent.values).any(axis=1))
    return scores[changed[changed >= FIRST + _SMOOTHING] if len(changed) > _SMOOTHING else changed]


def normal_scores(scores: FloatArray) -> FloatArray:
    """Return the scores of judged rows before the fault."""
    before = scores[_SMOOTHING:FIRST]
    return before[~np.isnan(before)]


def test_every_detector_goes_by_its_registered_name(case: Case) -> None:
    assert case.detector.name == case.name
    assert case.detector.scope in Scope


def test_as_many_scores_come_out_as_rows_go_in(case: Case) -> None:
    for rows in (0, 1, 2, len(case.recent)):
        assert case.fitted.score(case.recent.rows(0, rows)).shape == (rows,)


def test_scores_are_finite_and_not_negative(case: Case) -> None:
    scores = case.fitted.score(case.recent)
    assert np.isfinite(scores[case.detector.lookback_rows :]).all()
    assert (scores[~np.isnan(scores)] >= 0).all()


def test_an_injected_fault_outranks_what_is_normal(case: Case) -> None:
    scores = case.fitted.score(with_values(case.recent, fault(case.name, case.recent.values)))
    faulty, normal = faulty_scores(case, scores)[:, None], normal_scores(scores)[None, :]
    assert (faulty > normal).mean() + (faulty == normal).mean() / 2 > 0.9


@pytest.mark.parametrize("kept", [1, 50, 150, FIRST + 30, RECENT - 1])
def test_a_score_depends_on_no_later_row(case: Case, kept: int) -> None:
    values = fault(case.name, case.recent.values)
    values[50:60, 0] = NAN
    recent = with_values(case.recent, values)
    np.testing.assert_array_equal(case.fitted.score(recent.rows(0, kept)), case.fitted.score(recent)[:kept])


def test_a_score_depends_on_no_row_before_the_lookback(case: Case) -> None:
    values = fault(case.name, case.recent.values, 20, RECENT)
    values[100:110, 0] = NAN
    values[300:303] = NAN
    recent = with_values(case.recent, values)
    whole = case.fitted.score(recent)
    lookback = case.detector.lookback_rows
    for row in [*range(lookback, RECENT, 37), 303, 310, 340]:
        alone = case.fitted.score(recent.rows(row - lookback, row + 1))
        np.testing.assert_array_equal(alone[-1], whole[row])


def test_what_is_missing_is_not_judged(case: Case) -> None:
    values = case.recent.values.copy()
    values[40:60] = NAN
    scores = case.fitted.score(with_values(case.recent, values))
    assert np.isnan(scores[40:60]).all()
    assert not np.isnan(scores[60 + max(case.detector.lookback_rows, _SMOOTHING) :]).any()
    assert np.isnan(case.fitted.score(with_values(case.recent, np.full_like(values, NAN)))).all()


def test_rows_may_come_unevenly(case: Case) -> None:
    hours = np.timedelta64(30, "h")
    jitter = np.random.default_rng(1).integers(-60, 60, RECENT) * np.timedelta64(1, "s")
    uneven = replace(
        case.recent, times=case.recent.times + jitter + np.where(np.arange(RECENT) < 300, 0 * hours, hours)
    )
    scores = case.fitted.score(uneven)
    assert np.isfinite(scores[300 + case.detector.lookback_rows :]).all()
    assert not np.isinf(scores).any()
    np.testing.assert_array_equal(case.fitted.score(uneven.rows(0, 300)), scores[:300])


def test_the_input_is_left_alone(case: Case) -> None:
    history, recent = case.history.values.copy(), case.recent.values.copy()
    times = case.recent.times.copy()
    case.detector.fit(case.history)
    case.detector.unseen_scores(case.history)
    case.fitted.score(case.recent)
    np.testing.assert_array_equal(case.history.values, history)
    np.testing.assert_array_equal(case.recent.values, recent)
    np.testing.assert_array_equal(case.recent.times, times)


def test_the_same_history_and_seed_give_the_same_scores(case: Case) -> None:
    again = DETECTORS[case.name](SEED).fit(case.history)
    np.testing.assert_array_equal(again.score(case.recent), case.fitted.score(case.recent))


def test_a_fitted_detector_survives_pickling(case: Case) -> None:
    copy = pickle.loads(pickle.dumps(case.fitted))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(copy.score(case.recent), case.fitted.score(case.recent))
    assert copy.fitted_until == case.fitted.fitted_until


def test_it_says_until_when_it_was_fitted(case: Case) -> None:
    assert case.fitted.fitted_until.replace(tzinfo=None) == case.history.times[-1].item()
    assert case.fitted.fitted_until.utcoffset() is not None


@pytest.mark.parametrize("wild", [1e12, -1e12])
def test_wild_values_stay_finite_and_rank_high(case: Case, wild: float) -> None:
    values = case.recent.values.copy()
    values[200:203] = wild
    scores = case.fitted.score(with_values(case.recent, values))
    assert not np.isinf(scores).any()
    if case.name != "flat_line":
        assert np.nanmax(scores[200:203]) > np.nanmax(scores[:200])


def test_wild_values_leave_no_trace_beyond_the_lookback(case: Case) -> None:
    values = case.recent.values.copy()
    values[200:203] = 1e12
    after = 203 + case.detector.lookback_rows
    spoilt, clean = case.fitted.score(with_values(case.recent, values)), case.fitted.score(case.recent)
    np.testing.assert_array_equal(spoilt[after:], clean[after:])


def test_a_few_wild_values_in_the_history_blind_nobody(case: Case) -> None:
    history = case.history.values.copy()
    history[[200, 700]] = 1e12
    fitted = case.detector.fit(with_values(case.history, history))
    scores = fitted.score(with_values(case.recent, fault(case.name, case.recent.values)))
    assert np.nanmedian(faulty_scores(case, scores)) > np.quantile(normal_scores(scores), 0.99)


@pytest.mark.parametrize("level", [0.0, 7.5, -1e9])
def test_a_history_that_never_moves_divides_nothing_by_zero(case: Case, level: float) -> None:
    flat = with_values(case.history, np.full_like(case.history.values, level))
    if case.name in _NEED_MOVEMENT:
        with pytest.raises(NotEnoughHistoryError):
            case.detector.fit(flat)
        with pytest.raises(NotEnoughHistoryError):
            case.detector.unseen_scores(flat)
        return
    fitted = case.detector.fit(flat)
    scores = fitted.score(with_values(case.recent, np.full_like(case.recent.values, level)))
    assert np.isfinite(scores[case.detector.lookback_rows :]).all()
    assert not np.isinf(fitted.score(case.recent)).any()
    assert not np.isinf(case.detector.unseen_scores(flat)).any()


def test_too_little_history_is_refused(case: Case) -> None:
    values = case.history.values.copy()
    values[case.detector.min_history - 1 :] = NAN
    for history in (
        with_values(case.history, values),
        with_values(case.history, np.full_like(values, NAN)),
        case.history.rows(0, 1),
        case.history.rows(0, 0),
    ):
        with pytest.raises(NotEnoughHistoryError):
            case.detector.fit(history)
        with pytest.raises(NotEnoughHistoryError):
            case.detector.unseen_scores(history)


def test_unseen_scores_are_like_those_of_new_rows(case: Case) -> None:
    unseen, fresh = case.detector.unseen_scores(case.history), case.fitted.score(case.recent)
    assert unseen.shape == (len(case.history),)
    assert not np.isinf(unseen).any()
    assert (unseen[~np.isnan(unseen)] >= 0).all()
    assert np.isnan(unseen).mean() < 0.15
    high = np.nanquantile(fresh, 0.99)
    assert high / 2 < np.nanquantile(unseen, 0.99) < 2 * high


def test_what_is_missing_in_the_history_is_not_judged_there(case: Case) -> None:
    values = case.history.values.copy()
    values[DAY : 2 * DAY] = NAN
    unseen = case.detector.unseen_scores(with_values(case.history, values))
    assert np.isnan(unseen[DAY : 2 * DAY]).all()
    assert not np.isnan(unseen).all()
