"""An instrument that repeats itself: QARTOD's flat line test with a limit learnt from the series.

A lamp's power is flat all day and means nothing by it, a pressure is never flat. So the longest run of equal values
seen so far says what is usual, and a value at which a series often rests (a pump that is off) is not judged at all.
"""

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from core.quality import run_lengths
from detectors.errors import NotEnoughHistoryError
from detectors.protocol import Scope, Window
from detectors.windows import fitted_until

NAME = "flat_line"
"""Name of the detector in records."""

LOOKBACK_ROWS = 288
"""No further back is a run followed, so that its length does not depend on how much of the past is at hand."""

_CLUMPING = 1.5
_LEAST_RUN = 4
"""No series is thought to change more often than this on its own: rounding repeats values."""

_RESTING_SHARE = 0.1
"""A series that has kept one value in so many of its rows, each for a while, rests there."""

_SAME = 1e-9
"""Share of a series' usual size by which two values may differ and be the same: means of equal values are not equal."""


@dataclass(frozen=True, slots=True)
class FittedFlatLine:
    """The longest run seen, and in how many rows.

    Attributes
    ----------
    fitted_until
        Event time of the last row of history, in UTC.
    longest_run, rows
        Samples.
    tolerance
        Two values that differ by no more than this, in the series' unit, are the same.
    resting
        Values at which the series often rests, in its unit.
    """

    fitted_until: datetime
    longest_run: int
    rows: int
    tolerance: float
    resting: tuple[float, ...] = ()

    def score(self, recent: Window, /) -> NDArray[np.float64]:
        """Return the length of the run that each row ends, in longest runs seen.

        NaN where there is no value, or the series rests.
        """
        lengths = _recent_run_lengths(recent.values[:, 0], self.tolerance).astype(np.float64)
        lengths[lengths == 0] = np.nan
        for value in self.resting:
            lengths[np.abs(recent.values[:, 0] - value) <= self.tolerance] = np.nan
        return lengths / self.longest_run

    def p_values(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how likely a run that long is.

        Runs of independent repetitions are geometric; that the longest of `rows` samples was `longest_run` fixes
        their rate: P(run >= r) = rows ** (-r / longest_run). Real ones come clumped, in calm nights for instance,
        so the longest is taken to be half as long again as the longest seen.
        """
        return np.exp(-math.log(self.rows) * scores / _CLUMPING)


def _recent_run_lengths(values: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """Return the run lengths, counting nothing that lies more than `LOOKBACK_ROWS` before a row; shape (n,)."""
    lengths = run_lengths(values, tolerance)
    samples = np.cumsum(~np.isnan(values))
    within = samples - np.concatenate([np.zeros(LOOKBACK_ROWS + 1, dtype=np.int64), samples])[: len(samples)]
    return np.asarray(np.minimum(lengths, within), dtype=np.int64)


def _resting(values: NDArray[np.float64], lengths: NDArray[np.int64]) -> tuple[float, ...]:
    """Return the values at which a series often rests; one that has never moved is not at rest, it is unknown."""
    kept, counts = np.unique(values[lengths >= _LEAST_RUN], return_counts=True)
    has_moved = (lengths == 1).sum() > 1
    return tuple(kept[counts >= _RESTING_SHARE * (lengths > 0).sum()].tolist()) if has_moved else ()


@dataclass(frozen=True, slots=True)
class FlatLine:
    """Fits a `FittedFlatLine` to one series."""

    name: str = NAME
    scope: Scope = Scope.SERIES
    min_history: int = 200
    lookback_rows: int = LOOKBACK_ROWS

    def fit(self, history: Window, /) -> FittedFlatLine:
        """Learn the longest run of equal values; linear in the rows.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than `min_history` rows have a value.
        """
        values = history.values[:, 0]
        present = values[~np.isnan(values)]
        tolerance = _SAME * float(np.median(np.abs(present))) if present.size else 0.0
        lengths = run_lengths(values, tolerance)
        rows = int((lengths > 0).sum())
        if rows < self.min_history:
            raise NotEnoughHistoryError(f"{rows} values are too few to know how long it may stay flat")
        longest = max(int(lengths.max()), _LEAST_RUN)
        return FittedFlatLine(fitted_until(history), longest, rows, tolerance, _resting(values, lengths))

    def unseen_scores(self, history: Window, /) -> NDArray[np.float64]:
        """Return the history's own scores, at most 1: the p-value of a run needs no other past."""
        return self.fit(history).score(history)
