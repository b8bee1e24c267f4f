"""Saliency of the last value of each window, against PyOD's of that window."""

import numpy as np
import pytest
from pyod.models.ts_spectral_residual import SpectralResidual as PyodSpectralResidual

from detectors.errors import NotEnoughHistoryError
from detectors.spectral_residual import WINDOW_ROWS, FittedSpectralResidual, SpectralResidual
from detectors.windows import usual_range
from tests.contract.making import NAN, FloatArray, window

ROWS = 600


def hovering(rows: int = ROWS, columns: int = 1, seed: int = 1) -> FloatArray:
    drawn = np.random.default_rng(seed).normal(size=(rows, columns))
    return np.asarray(20.0 + 3.0 * drawn + np.sin(np.arange(rows) / 5.0)[:, None], dtype=np.float64)


def scaled(values: FloatArray, history: FloatArray) -> FloatArray:
    centre, usual = usual_range(history)
    return np.clip((values - centre) / usual, -10.0, 10.0)


def pyods(values: FloatArray, row: int) -> float:
    part = values[row - WINDOW_ROWS + 1 : row + 1]
    return float(PyodSpectralResidual().fit(part).decision_function(part)[-1])


def nearly_cancelled(values: FloatArray, row: int) -> bool:
    """Return whether an amplitude is so small that it is raised, which PyOD does not do."""
    log = np.log(np.abs(np.fft.rfft(values[row - WINDOW_ROWS + 1 : row + 1])) + 1e-10)
    return bool(log.min() < log.mean() - 7.0)


def test_the_saliency_of_each_row_is_pyods_of_the_window_that_ends_there() -> None:
    history, recent = hovering(), hovering(seed=2)
    recent[300], recent[400:410] = 80.0, 1e12
    fitted = SpectralResidual().fit(window(history))
    scores = fitted.score(window(recent))
    assert np.isnan(scores[: WINDOW_ROWS - 1]).all()
    values = scaled(recent[:, 0], history[:, 0])
    rows = [row for row in range(WINDOW_ROWS - 1, ROWS) if not nearly_cancelled(values, row)]
    assert len(rows) > 0.95 * (ROWS - WINDOW_ROWS)
    np.testing.assert_allclose(scores[rows], [pyods(values, row) for row in rows], rtol=1e-6)


def test_of_several_signals_the_most_salient_counts() -> None:
    history, recent = hovering(columns=3), hovering(columns=3, seed=2)
    recent[200:220, 1] = NAN
    recent[500:, 2] = NAN
    fitted = SpectralResidual().fit(window(history))
    each = [SpectralResidual().fit(window(history[:, [n]])).score(window(recent[:, [n]])) for n in range(3)]
    assert np.isnan(each[1][200:220]).all()
    np.testing.assert_array_equal(fitted.score(window(recent)), np.fmax(np.fmax(*each[:2]), each[2]))


def test_rounded_readings_do_not_stand_out_because_they_cancel() -> None:
    rounded = np.round(hovering(4_000))
    fitted = SpectralResidual().fit(window(rounded))
    values = scaled(rounded[:, 0], rounded[:, 0])
    scores = fitted.score(window(rounded))
    cancelled = [r for r in range(WINDOW_ROWS - 1, 4_000) if np.abs(np.fft.rfft(values[r - 127 : r + 1])).min() < 1e-9]
    assert cancelled
    assert max(pyods(values, row) for row in cancelled) > 3 * np.nanmax(scores)


def test_what_does_not_move_is_not_judged() -> None:
    history = hovering(columns=2)
    history[:, 1] = 4.0
    fitted = SpectralResidual().fit(window(history))
    assert np.isnan(fitted.usual).tolist() == [False, True]
    stuck = np.column_stack([np.full(300, 21.0), hovering(300)[:, 0]])
    assert np.isnan(fitted.score(window(stuck))).all()
    with pytest.raises(NotEnoughHistoryError, match="0 moving"):
        SpectralResidual().fit(window(history[:, 1:]))


def test_what_is_missing_is_carried_forward() -> None:
    history, recent = hovering(), hovering(300, seed=2)
    fitted: FittedSpectralResidual = SpectralResidual().fit(window(history))
    gappy, filled = recent.copy(), recent.copy()
    gappy[150:170], filled[150:170] = NAN, filled[149]
    scores = fitted.score(window(gappy))
    assert np.isnan(scores[150:170]).all()
    np.testing.assert_array_equal(scores[170:270], fitted.score(window(filled))[170:270])
