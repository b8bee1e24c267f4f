"""How far a value lies from the mean of the hours before it, in their standard deviations.

The plainest detector of sudden changes: it needs no rhythm, adapts to a new level within its window, and is what
others have to beat. Not for slow faults, which it gets used to, nor for series that jump as a habit (lamps at dusk).

Source: the windowed Gaussian of the Numenta Anomaly Benchmark, Lavin and Ahmad (2015),
doi:10.1109/ICMLA.2015.141. Deviations: the row itself is left out of its window, the window moves with every row
and is shorter, and the score is the distance in standard deviations, which a tail probability is a function of.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from detectors.errors import NotEnoughHistoryError
from detectors.protocol import Scope, Window
from detectors.windows import fitted_until, least_spread

NAME = "windowed_gaussian"
"""Name of the detector in records."""

WINDOW_ROWS = 96
"""Rows before a row that its mean and standard deviation come from: eight hours of five minutes."""

_LEAST_PRESENT = WINDOW_ROWS // 4
_BLOCK = 1024

_FLOOR_SHARE = 0.1
"""A standard deviation is at least this share of the history's: a calm night is not all there is."""


@dataclass(frozen=True, slots=True)
class FittedWindowedGaussian:
    """The least standard deviation; all else is in the rows before a row.

    Attributes
    ----------
    fitted_until
        Event time of the last row of history, in UTC.
    floor
        In the series' unit, greater than 0.
    """

    fitted_until: datetime
    floor: float

    def score(self, recent: Window, /) -> NDArray[np.float64]:
        """Return the distance of each value from the mean of the 96 rows before it, in standard deviations.

        NaN where there is no value, or fewer than 24 of those rows have one. About 1 µs a row.
        """
        scores = np.full(len(recent), np.nan)
        values = recent.values[:, 0]
        padded = np.concatenate([np.full(WINDOW_ROWS, np.nan), values])
        for first in range(0, len(recent), _BLOCK):
            rows = slice(first, min(first + _BLOCK, len(recent)))
            before = sliding_window_view(padded[first : rows.stop + WINDOW_ROWS - 1], WINDOW_ROWS)
            mean, spread = _mean_and_spread(before)
            scores[rows] = np.abs(values[rows] - mean) / np.maximum(spread, self.floor)
        return scores


def _mean_and_spread(windows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each row of (m, 96) values; NaN where too few are known.

    Each window is summed anew: running sums would carry what a wild value has rounded away on for ever.
    """
    known = ~np.isnan(windows)
    counts = known.sum(axis=1)
    enough = counts >= _LEAST_PRESENT
    divisor = np.maximum(counts, 1)
    mean = np.where(known, windows, 0.0).sum(axis=1) / divisor
    squares = np.where(known, windows - mean[:, None], 0.0) ** 2
    return np.where(enough, mean, np.nan), np.sqrt(squares.sum(axis=1) / divisor)


@dataclass(frozen=True, slots=True)
class WindowedGaussian:
    """Fits a `FittedWindowedGaussian` to one series."""

    name: str = NAME
    scope: Scope = Scope.SERIES
    min_history: int = 100
    lookback_rows: int = WINDOW_ROWS

    def fit(self, history: Window, /) -> FittedWindowedGaussian:
        """Learn how little a standard deviation may be; milliseconds.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than `min_history` rows have a value.
        """
        values = history.values[:, 0]
        known = values[~np.isnan(values)]
        if known.size < self.min_history:
            raise NotEnoughHistoryError(f"{known.size} values are too few to know how much they vary")
        return FittedWindowedGaussian(fitted_until(history), least_spread(known, known, _FLOOR_SHARE))

    def unseen_scores(self, history: Window, /) -> NDArray[np.float64]:
        """Return the history's own scores: no row is in its own window, and a floor flatters nobody."""
        return self.fit(history).score(history)
