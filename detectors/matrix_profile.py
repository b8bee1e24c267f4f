"""How little the shape of the last hours is like any shape of the past: a matrix profile of new rows against history.

It sees what no single value shows: a night that looks like a day, a pump that cycles too fast, a curve that has lost
its second hump. Level and size do not count, only shape, so it is blind to a curve that is merely too high, and a
calm stretch of a noisy series is all noise to it. A constant window has no shape and is not judged: not for lamps.

Source: Yeh et al. (2016), *Matrix Profile I*, doi:10.1109/ICDM.2016.0179. Deviation: PyOD's `MatrixProfile` joins a
series with itself and judges no new rows; here the windows that end at new rows are joined with those of the history
(an AB join), so that a score depends on no later row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detectors.errors import NotEnoughHistoryError
from detectors.protocol import Scope, Window
from detectors.windows import filled_windows, fitted_until

NAME = "matrix_profile"
"""Name of the detector in records."""

REFERENCE_WINDOWS = 4_096
"""No more windows of the history are compared with, the latest: four weeks of five minutes at 30 µs a row."""

_WINDOW_S = 6 * 3600
_LEAST_ROWS, _MOST_ROWS = 12, 48
_HISTORY_WINDOWS = 5
"""Windows side by side that a history must fill."""

_CONSTANT = 1e-12
"""A standard deviation below this share of a window's largest value is rounding."""

_GRAIN = 2.0**-23
"""Shapes are compared in multiples of this. 48 products of two then add up without rounding in any order, so that a
score does not depend on how a processor multiplies matrices; distances are off by less than 1e-6."""


@dataclass(frozen=True, slots=True)
class FittedMatrixProfile:
    """The history that shapes are looked for in.

    Attributes
    ----------
    fitted_until
        Event time of the last row of history, in UTC.
    rows
        Length of a window.
    past
        The latest rows of the history, 130 kB at most.
    """

    fitted_until: datetime
    rows: int
    past: Window

    def score(self, recent: Window, /) -> NDArray[np.float64]:
        """Return the distance of the window that ends at each row to the nearest one of the history.

        Between z-normalised windows of m rows, so from 0 to 2 * sqrt(m). NaN where there is no value, fewer than
        half of the window's rows have one, they do not move, or the window is not at hand. About 10 ms a call and
        30 µs a row.
        """
        scores = np.full(len(recent), np.nan)
        _, reference = _reference(self.past, self.rows)
        grains = _grains(reference).T.copy()
        for rows, shapes in _shapes(recent, self.rows):
            nearest = (_grains(shapes) @ grains).argmax(axis=1)
            scores[rows] = _apart(shapes, reference[nearest])
        return scores


@dataclass(frozen=True, slots=True)
class MatrixProfile:
    """Fits a `FittedMatrixProfile` to one series."""

    name: str = NAME
    scope: Scope = Scope.SERIES
    min_history: int = _HISTORY_WINDOWS * _LEAST_ROWS
    lookback_rows: int = _MOST_ROWS - 1

    def fit(self, history: Window, /) -> FittedMatrixProfile:
        """Keep the latest rows; a window is six hours long, but at least 12 and at most 48 rows.

        Raises
        ------
        NotEnoughHistoryError
            If fewer rows have a value than five windows take, or no window of the latest rows moves.
        """
        rows = min(max(round(_WINDOW_S / history.step_s), _LEAST_ROWS), _MOST_ROWS)
        known = int((~np.isnan(history.values[:, 0])).sum())
        if known < _HISTORY_WINDOWS * rows:
            raise NotEnoughHistoryError(f"{known} values are fewer than {_HISTORY_WINDOWS} windows of {rows} rows take")
        past = history.rows(max(len(history) - REFERENCE_WINDOWS - rows + 1, 0), len(history))
        if not any(len(ends) for ends, _ in _shapes(past, rows)):
            raise NotEnoughHistoryError("no window of the history moves, so none has a shape")
        return FittedMatrixProfile(fitted_until(history), rows, past)

    def unseen_scores(self, history: Window, /) -> NDArray[np.float64]:
        """Return the distance of each of the history's latest windows to the nearest other one; about 30 µs a row.

        NaN before the windows that a fit keeps.

        Windows that share a row are left out on both sides: each is nearly the other, while a window of new rows
        soon shares none with the history. (PyOD leaves out a quarter of that.)

        Raises
        ------
        NotEnoughHistoryError
            As for `fit`.
        """
        fitted = self.fit(history)
        scores = np.full(len(history), np.nan)
        before = len(history) - len(fitted.past)
        ends, reference = _reference(fitted.past, fitted.rows)
        grains = _grains(reference).T.copy()
        for rows, shapes in _shapes(fitted.past, fitted.rows):
            likeness = _grains(shapes) @ grains
            first, last = (
                np.searchsorted(ends, rows - fitted.rows, side="right"),
                np.searchsorted(ends, rows + fitted.rows),
            )
            for line, start, stop in zip(likeness, first, last, strict=True):
                line[start:stop] = -np.inf
            nearest = likeness.argmax(axis=1)
            found = likeness[np.arange(len(rows)), nearest] > -np.inf
            scores[before + rows[found]] = _apart(shapes, reference[nearest])[found]
        return scores


def _shapes(of: Window, rows: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield the row that each window with a shape ends at, and the windows with mean 0 and variance 1, in blocks."""
    for ends, windows in filled_windows(of, rows):
        centred = windows - windows.mean(axis=1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=1))
        moving = spread > _CONSTANT * np.abs(windows).max(axis=1)
        yield ends[moving], centred[moving] / spread[moving, None]


def _reference(past: Window, rows: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the row that each window of the past ends at, and its shape; shapes (w,) and (w, rows)."""
    ends, shapes = zip(*_shapes(past, rows), strict=True)
    return np.concatenate(ends), np.concatenate(shapes)


def _grains(shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(shapes / _GRAIN) * _GRAIN


def _apart(shapes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(((shapes - others) ** 2).sum(axis=1)))
