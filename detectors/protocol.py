"""What every detector can do.

Fitting and scoring are two lives of two types, so that scoring before fitting cannot be written. Scores point one
way (high = abnormal) and say NaN for "not judged", never 0. Deciding is not a detector's business: a p-value comes
from `detectors.calibration`, a threshold from the alert budget.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from core.calendar import Calendar


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one or more signals, sampled together.

    Attributes
    ----------
    times
        datetime64[us], UTC, shape (n,), strictly ascending; gaps are allowed.
    values
        float64, shape (n, k), each column in its series' unit; NaN where there is no value.
    metrics
        Names of the k columns.
    step_s
        Usual distance of two rows, in seconds.
    calendar
        The city's: habits follow its wall clock and its holidays.
    """

    times: NDArray[np.datetime64]
    values: NDArray[np.float64]
    metrics: tuple[str, ...]
    step_s: float
    calendar: Calendar

    def __len__(self) -> int:
        return len(self.times)

    def column(self, index: int) -> "Window":
        """Return one signal as a window of its own, of shape (n, 1)."""
        return replace(self, values=self.values[:, index : index + 1], metrics=(self.metrics[index],))

    def rows(self, start: int, stop: int) -> "Window":
        """Return rows `start` to `stop`, the latter not included."""
        return replace(self, times=self.times[start:stop], values=self.values[start:stop])

    def only(self, kept: NDArray[np.bool_]) -> "Window":
        """Return the rows that a mask of shape (n,) keeps."""
        return replace(self, times=self.times[kept], values=self.values[kept])


class Scope(StrEnum):
    """What a detector looks at; it decides which columns its windows have."""

    SERIES = "series"
    """One signal: windows of shape (n, 1), one detector for each series."""
    ASSET = "asset"
    """All k >= 1 signals of an asset, as they are."""
    DEVIATIONS = "deviations"
    """All k >= 2 signals of an asset, as deviations from what is expected of each, in half-widths of its band."""


class FittedDetector(Protocol):
    """A detector that has seen history and can score what comes after."""

    @property
    def fitted_until(self) -> datetime:
        """Event time of the last row of history, in UTC."""
        ...

    def score(self, recent: Window, /) -> NDArray[np.float64]:
        """Score each row.

        Parameters
        ----------
        recent
            Rows to score, with the same columns as the history. Rows before those that matter may be put in front
            to give context (`lookback_rows` of the detector).

        Returns
        -------
        Shape (n,), high = abnormal, NaN = not judged. The score of a row depends on no later row; the input is not
        changed.
        """
        ...


@runtime_checkable
class SelfCalibrated(Protocol):
    """A fitted detector that knows by itself how rare its scores are, and needs no tail fitted to its past."""

    def p_values(self, scores: NDArray[np.float64], /) -> NDArray[np.float64]:
        """Return how likely a score this high or higher is while all is normal; NaN for NaN."""
        ...


class Detector(Protocol):
    """A way to tell normal from abnormal, before it has seen any data."""

    @property
    def name(self) -> str:
        """Names the detector in records and on dashboards."""
        ...

    @property
    def scope(self) -> Scope:
        """What it looks at."""
        ...

    @property
    def min_history(self) -> int:
        """Rows with a value that a fit needs at least."""
        ...

    @property
    def lookback_rows(self) -> int:
        """Rows before a row that its score may depend on; a run that began earlier counts as this long."""
        ...

    def fit(self, history: Window, /) -> FittedDetector:
        """Learn what is normal.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than `min_history` rows have a value, or they span too little time.
        """
        ...

    def unseen_scores(self, history: Window, /) -> NDArray[np.float64]:
        """Score the history's rows as if the fit had not seen them; p-values are calibrated on these.

        Returns
        -------
        Shape (n,), as `score` returns it. Unlike a score in use, it may depend on later rows: it describes how
        scores are distributed, and decides nothing.

        Raises
        ------
        NotEnoughHistoryError
            As for `fit`.
        """
        ...
