"""Shapes of windows against PyOD's matrix profile and against all pairs."""

import numpy as np
import pytest

from detectors import matrix_profile
from detectors.errors import NotEnoughHistoryError
from detectors.matrix_profile import MatrixProfile
from tests.contract.making import DAY, NAN, FloatArray, window

ROWS = 600
M = 48


def wandering(rows: int = ROWS, seed: int = 1) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).normal(size=rows).cumsum()[:, None] + 20.0, dtype=np.float64)


def shapes(values: FloatArray, m: int = M) -> FloatArray:
    windows = np.array([values[end - m : end, 0] for end in range(m, len(values) + 1)])
    return np.asarray((windows - windows.mean(axis=1)[:, None]) / windows.std(axis=1)[:, None])


def all_pairs(rows: FloatArray, past: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(((shapes(rows)[:, None] - shapes(past)[None]) ** 2).sum(axis=2)))


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_of_a_new_window_is_pyods(seed: int) -> None:
    from pyod.models.ts_matrix_profile import _compute_matrix_profile

    values = wandering(seed=seed)
    profile = _compute_matrix_profile(values[:, 0], M)
    # PyOD leaves out windows that start within a quarter of a window: those that end in the last 13 rows.
    known = len(values) - M // 4 - 1
    fitted = MatrixProfile().fit(window(values[:known]))
    score = fitted.score(window(values[-M:], len(values) - M))[-1]
    assert score == pytest.approx(profile[-1], rel=1e-6)


def test_the_nearest_of_all_pairs_is_found() -> None:
    history, recent = wandering(), wandering(200, seed=2)
    scores = MatrixProfile().fit(window(history)).score(window(recent))
    assert np.isnan(scores[: M - 1]).all()
    np.testing.assert_allclose(scores[M - 1 :], all_pairs(recent, history).min(axis=1), atol=1e-6)


def test_a_window_of_the_history_is_compared_with_those_that_share_no_row_with_it() -> None:
    history = wandering()
    pairs = all_pairs(history, history)
    apart = np.abs(np.subtract.outer(np.arange(len(pairs)), np.arange(len(pairs))))
    expected = np.where(apart >= M, pairs, np.inf).min(axis=1)
    np.testing.assert_allclose(MatrixProfile().unseen_scores(window(history))[M - 1 :], expected, atol=1e-6)


def test_only_the_latest_windows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_profile, "REFERENCE_WINDOWS", 100)
    history, recent = wandering(), wandering(80, seed=2)
    fitted = MatrixProfile().fit(window(history))
    latest = history[-(100 + M - 1) :]
    np.testing.assert_allclose(fitted.score(window(recent))[M - 1 :], all_pairs(recent, latest).min(axis=1), atol=1e-6)
    pairs = all_pairs(latest, latest)
    apart = np.abs(np.subtract.outer(np.arange(100), np.arange(100)))
    expected = np.where(apart >= M, pairs, np.inf).min(axis=1)
    unseen = MatrixProfile().unseen_scores(window(history))
    np.testing.assert_allclose(unseen[-100:], expected, atol=1e-6)
    assert np.isnan(unseen[:-100]).all()


@pytest.mark.parametrize(("step_s", "rows"), [(60, 48), (300, 48), (450, 48), (900, 24), (1_800, 12), (86_400, 12)])
def test_a_window_is_six_hours_long_within_limits(step_s: int, rows: int) -> None:
    fitted = MatrixProfile().fit(window(wandering(), step_s=step_s))
    assert fitted.rows == rows
    with pytest.raises(NotEnoughHistoryError, match=f"windows of {rows} rows"):
        MatrixProfile().fit(window(wandering(5 * rows - 1), step_s=step_s))


def test_level_and_size_do_not_count_and_a_repeated_shape_is_no_distance_away() -> None:
    history = wandering()
    fitted = MatrixProfile().fit(window(history))
    part = history[200:300]
    assert fitted.score(window(part))[-1] == 0.0
    assert fitted.score(window(7.0 * part - 1e4))[-1] == pytest.approx(0.0, abs=1e-6)
    assert fitted.score(window(-part))[-1] > 1.0


def test_windows_that_do_not_move_are_neither_judged_nor_compared_with() -> None:
    lamp = np.where(np.arange(4 * DAY) % DAY < 100, 80.0, 0.0)[:, None]
    fitted = MatrixProfile().fit(window(lamp))
    scores = fitted.score(window(lamp[:DAY]))
    # What switches off at row 100 has left the window 48 rows later.
    assert np.isnan(scores[M - 1 : 100]).all()
    np.testing.assert_array_equal(scores[100 : 100 + M - 1], 0.0)
    assert np.isnan(scores[100 + M - 1 :]).all()


def test_what_is_missing_is_carried_forward() -> None:
    history, recent = wandering(), wandering(100, seed=2)
    fitted = MatrixProfile().fit(window(history))
    gappy, filled = recent.copy(), recent.copy()
    gappy[60:84], filled[60:84] = NAN, filled[59]
    scores = fitted.score(window(gappy))
    assert np.isnan(scores[60:84]).all()
    np.testing.assert_array_equal(scores[84:], fitted.score(window(filled))[84:])
    # With one more row missing, fewer than half of any later window are there.
    gappy[59] = NAN
    assert np.isnan(fitted.score(window(gappy))[84:]).all()
