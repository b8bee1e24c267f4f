"""What every detector can do.

Fitting and scoring are two lives of two types, so that scoring before fitting cannot be written. Scores point one
way (high = abnormal) and say NaN for "not judged", never 0. Deciding is not a detector's business: a p-value comes
from `detectors.calibration`, a threshold from the alert budget.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

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


class Detector(Protocol):
    """A way to tell normal from abnormal, before it has seen any data."""

    @property
    def name(self) -> str:
        """Names the detector in records and on dashboards."""
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
            If fewer than `min_history` rows have a value.
        """
        ...
