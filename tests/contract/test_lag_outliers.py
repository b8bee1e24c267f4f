"""PyOD's detectors over lag features, against PyOD over features made one row after the other."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from detectors import lag_outliers
from detectors.errors import NotEnoughHistoryError
from detectors.lag_outliers import FittedLagOutliers, LagOutliers, ecod_lags, iforest_lags, pca_lags
from detectors.windows import usual_range
from tests.contract.making import NAN, SEED, FloatArray, window, with_values

MAKERS = [iforest_lags, ecod_lags, pca_lags]
ROWS = 400

each = pytest.mark.parametrize("make", MAKERS, ids=[make(0).name for make in MAKERS])
Maker = Callable[[int], LagOutliers]


def signals(columns: int, rows: int = ROWS, seed: int = 1) -> FloatArray:
    walk = np.random.default_rng(seed).normal(size=(rows, columns))
    return np.asarray(20.0 + walk + np.vstack([np.zeros((1, columns)), 0.8 * walk[:-1]]), dtype=np.float64)


def naive_features(values: FloatArray, history: FloatArray, lags: int) -> FloatArray:
    ranges = [usual_range(column) for column in history.T]
    found = []
    for row in range(lags - 1, len(values)):
        features = []
        for column, (centre, usual) in enumerate(ranges):
            latest = NAN
            for value in values[row - lags + 1 : row + 1, column]:
                latest = latest if np.isnan(value) else (value - centre) / usual
                features.append(0.0 if np.isnan(latest) else float(np.clip(latest, -10.0, 10.0)))
        found.append(features)
    return np.array(found)


@pytest.mark.parametrize(("columns", "lags"), [(1, 12), (4, 12), (5, 9), (13, 3), (43, 2)])
def test_the_more_signals_the_fewer_lags(columns: int, lags: int) -> None:
    fitted = ecod_lags(SEED).fit(window(signals(columns)))
    assert fitted.features.lags == lags
    scores = fitted.score(window(signals(columns, 60)))
    assert np.isnan(scores).tolist() == [True] * (lags - 1) + [False] * (61 - lags)


@each
@pytest.mark.parametrize("columns", [1, 5])
def test_scores_are_pyods(make: Maker, columns: int) -> None:
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest
    from pyod.models.pca import PCA

    history, recent = signals(columns), signals(columns, 80, seed=2)
    recent[20:24, 0] = 1e12
    recent[40:45, -1] = NAN
    recent[60:80, 0] = NAN
    history[100:130, 0] = NAN
    fitted = make(SEED).fit(window(history))
    lags = fitted.features.lags
    judged = ~np.isnan(recent[lags - 1 :]).all(axis=1)
    learnt = naive_features(history, history, lags)[~np.isnan(history[lags - 1 :]).all(axis=1)]
    features = naive_features(recent, history, lags)[judged]
    if make is ecod_lags:
        model = ECOD().fit(learnt)
        # Scored together, rows count among each other's tails; alone is what a live row is.
        expected = np.concatenate([model.decision_function(row[None, :]) for row in features])
    elif make is iforest_lags:
        model = IForest(n_jobs=1, random_state=SEED).fit(learnt)
        expected = model.decision_function(features) - model.offset_
    else:
        expected = PCA(svd_solver="full").fit(learnt).decision_function(features)
    scores = fitted.score(window(recent))
    np.testing.assert_array_equal(np.isnan(scores[lags - 1 :]), ~judged)
    np.testing.assert_allclose(scores[lags - 1 :][judged], expected)


@each
def test_a_missing_signal_degrades_the_asset_and_does_not_silence_it(make: Maker) -> None:
    fitted = make(SEED).fit(window(signals(3)))
    values = signals(3, 120, seed=2)
    values[:, 2] = NAN
    values[60:, 0] += 15.0
    scores = fitted.score(window(values))[11:]
    assert not np.isnan(scores).any()
    assert scores[60:].min() > np.quantile(scores[:49], 0.95)


SPOILT: dict[str, Callable[[FloatArray], FloatArray]] = {
    "never moves": lambda v: np.full(len(v), 5.0),
    "never speaks": lambda v: np.full(len(v), NAN),
    "repeats another": lambda v: v[:, 0],
    "follows from others": lambda v: v[:, 0] - 2 * v[:, 1],
    "moved once": lambda v: np.where(np.arange(len(v)) == 0, 1.0, 0.0),
}


@each
@pytest.mark.parametrize("how", SPOILT)
def test_a_signal_that_adds_nothing_does_not_upset_the_asset(make: Maker, how: str) -> None:
    def spoil(values: FloatArray) -> FloatArray:
        return np.column_stack([values, SPOILT[how](values)])

    fitted = make(SEED).fit(window(spoil(signals(2))))
    values = signals(2, 120, seed=2)
    values[60:, 0] += 15.0
    scores = fitted.score(window(spoil(values)))[12:]
    assert np.isfinite(scores).all()
    assert scores[60:].min() > np.quantile(scores[:48], 0.95)
    assert scores[:48].max() < 10 * np.median(scores[:48])


@each
def test_a_fit_looks_at_a_bounded_number_of_rows_from_all_of_the_history(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[FloatArray] = []

    def learn(features: FloatArray, seed: int) -> lag_outliers._Model:
        seen.append(features)
        return make(seed).learn(features, seed)

    monkeypatch.setattr(lag_outliers, "FIT_ROWS", 200)
    values = np.arange(3_000.0)[:, None]
    fitted = replace(make(SEED), learn=learn).fit(window(values))
    assert isinstance(fitted, FittedLagOutliers)
    (features,) = seen
    assert features.shape == (200, 12)
    latest = features[:, -1] * fitted.features.usual + fitted.features.centre
    assert (np.diff(latest) > 0).all()
    assert latest.min() < 100
    assert latest.max() > 2_900


@each
def test_wild_values_are_not_learnt_and_count_no_further_than_they_reach(make: Maker) -> None:
    history = signals(1)
    spoilt = history.copy()
    spoilt[[50, 51, 200]] = 1e12
    recent = window(signals(1, 80, seed=2))
    clean, unmoved = make(SEED).fit(window(history)).score(recent), make(SEED).fit(window(spoilt)).score(recent)
    assert np.nanmedian(np.abs(unmoved / clean - 1)) < 0.1
    far, further = (with_values(recent, np.where(np.arange(80)[:, None] == 40, v, recent.values)) for v in (1e6, 1e12))
    fitted = make(SEED).fit(window(history))
    np.testing.assert_array_equal(fitted.score(far), fitted.score(further))


@each
def test_no_feature_reaches_across_a_gap_in_time(make: Maker) -> None:
    fitted = make(SEED).fit(window(signals(1)))
    recent = window(signals(1, 60, seed=2))
    later = np.where(np.arange(60) < 30, 0, 24) * np.timedelta64(1, "h")
    scores = fitted.score(replace(recent, times=recent.times + later))
    assert np.isnan(scores[30:41]).all()
    np.testing.assert_array_equal(scores[41:], fitted.score(recent)[41:])


def test_the_seed_draws_the_forest() -> None:
    recent = window(signals(1, 80, seed=2))
    one, other = (iforest_lags(seed).fit(window(signals(1))).score(recent) for seed in (1, 2))
    assert (one[11:] != other[11:]).any()


@each
def test_unseen_rows_are_scored_by_fits_without_them(make: Maker) -> None:
    history = window(signals(1, 900))
    kept = np.ones(900, dtype=np.bool_)
    kept[300:600] = False
    expected = make(SEED).fit(history.only(kept)).score(history.rows(289, 600))[11:]
    np.testing.assert_array_equal(make(SEED).unseen_scores(history)[300:600], expected)


@each
def test_rows_whose_lags_are_not_at_hand_teach_nothing(make: Maker) -> None:
    alone = window(signals(1), step_s=300)
    hours = np.arange(len(alone)) // 8 * np.timedelta64(5, "h")
    with pytest.raises(NotEnoughHistoryError, match="0 rows"):
        make(SEED).fit(replace(alone, times=alone.times + hours))
