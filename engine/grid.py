"""The recent past of one asset on a grid of equal steps, as sums and counts, so that arrivals just add up.

A step is named by its end and holds what lies in (end - step, end]. Steps count from 2000-01-01 00:00 UTC, as in the
store.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_EPOCH = np.datetime64("2000-01-01", "us")


def step_of(times: NDArray[np.datetime64], step_s: int) -> NDArray[np.int64]:
    """Return the number of the step that each UTC time lies in; step n ends n steps after the epoch."""
    microseconds = (times - _EPOCH).astype(np.int64)
    return -(-microseconds // (step_s * 1_000_000))


def end_of(steps: NDArray[np.int64], step_s: int) -> NDArray[np.datetime64]:
    """Return the UTC time, datetime64[us], at which each step ends."""
    return _EPOCH + (steps * step_s * 1_000_000).astype("timedelta64[us]")


@dataclass(slots=True)
class Grid:
    """Sums and counts of the readings of k series in the latest n steps.

    Attributes
    ----------
    first
        Number of the first step held.
    sums, counts
        Shape (n, k); float64 in each series' unit, and int64.
    """

    first: int
    sums: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def ending_at(cls, last: int, steps: int, series: int) -> "Grid":
        """Return an empty grid of `steps` steps, the last of which has number `last`."""
        return cls(last - steps + 1, np.zeros((steps, series)), np.zeros((steps, series), dtype=np.int64))

    @property
    def last(self) -> int:
        """Number of the last step held."""
        return self.first + len(self.sums) - 1

    def advance_to(self, last: int) -> None:
        """Make `last` the last step, if it is later than the present one; what falls out at the front is forgotten."""
        shift = last - self.last
        if shift <= 0:
            return
        kept = max(len(self.sums) - shift, 0)
        for array in (self.sums, self.counts):
            array[:kept] = array[len(array) - kept :].copy()
            array[kept:] = 0
        self.first += shift

    def add(self, steps: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Add readings; those before the first step are left out, none may lie after the last.

        Parameters
        ----------
        steps, columns, values
            Shape (m,): number of the step, index of the series, value in the series' unit.
        """
        held = steps >= self.first
        rows = steps[held] - self.first
        np.add.at(self.sums, (rows, columns[held]), values[held])
        np.add.at(self.counts, (rows, columns[held]), 1)

    def means(self) -> NDArray[np.float64]:
        """Return the mean of each step and series, shape (n, k); NaN where there is no reading."""
        with np.errstate(invalid="ignore"):
            return np.where(self.counts > 0, self.sums / np.maximum(self.counts, 1), np.nan)

    def samples_per_step(self) -> NDArray[np.float64]:
        """Return how many readings each series usually has in a step that has any; NaN without readings."""
        usual = np.full(self.counts.shape[1], np.nan)
        for column in range(self.counts.shape[1]):
            present = self.counts[self.counts[:, column] > 0, column]
            if present.size:
                usual[column] = np.median(present)
        return usual
