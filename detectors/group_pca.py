"""Signals of one asset that stop moving together: PyOD's PCA over their deviations.

It looks at deviations from each signal's expectation, not at raw values: on the labelled sets that separates far
better, because the rhythm that all signals share no longer hides what one of them does on its own.

Source: Shyu et al. (2003), *A Novel Anomaly Detection Scheme Based on Principal Component Classifier*, as in PyOD.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.errors import NotEnoughHistoryError
from detectors.protocol import Scope, Window
from detectors.smoothing import MEDIAN_ROWS, causal_median
from detectors.windows import fitted_until

NAME = "group_pca"
"""Name of the detector in records."""

_CAP = 8.0
"""A deviation counts no further: one signal that has gone wild must not hide the others."""

_LEAST_VARIANCE_SHARE = 1e-6
"""A component with less of the variance is rounding noise, and PyOD divides by the share."""


@dataclass(frozen=True, slots=True)
class FittedGroupPca:
    """A fitted PyOD model over k deviations.

    Attributes
    ----------
    fitted_until
        Event time of the last row of history, in UTC.
    model
        `pyod.models.pca.PCA`.
    """

    fitted_until: datetime
    model: Any

    def score(self, recent: Window, /) -> NDArray[np.float64]:
        """Score rows of deviations.

        A signal that is missing counts as being where it is expected, so the rest is still judged; a row without
        any signal is NaN.
        """
        smoothed = causal_median(recent.values)
        scores = np.full(len(recent), np.nan)
        judged = ~np.isnan(smoothed).all(axis=1)
        if judged.any():
            rows = np.clip(np.nan_to_num(smoothed[judged], nan=0.0), -_CAP, _CAP)
            scores[judged] = self.model.decision_function(rows)
        return scores


@dataclass(frozen=True, slots=True)
class GroupPca:
    """Fits a `FittedGroupPca` to the deviations of an asset's signals.

    Attributes
    ----------
    seed
        Of the solver; the full solver draws no numbers, it is passed for the day another one is chosen.
    """

    seed: int
    name: str = NAME
    scope: Scope = Scope.DEVIATIONS
    min_history: int = 500
    lookback_rows: int = MEDIAN_ROWS - 1

    def fit(self, history: Window, /) -> FittedGroupPca:
        """Learn how the deviations of k >= 2 signals move together; milliseconds.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than `min_history` rows have a value, or fewer than two signals move at all.
        """
        from pyod.models.pca import PCA

        smoothed = causal_median(history.values)
        rows = np.clip(np.nan_to_num(smoothed[~np.isnan(smoothed).all(axis=1)], nan=0.0), -_CAP, _CAP)
        moving = int((np.ptp(rows, axis=0) > 0).sum()) if len(rows) else 0
        if len(rows) < self.min_history or moving < 2:  # noqa: PLR2004 - one signal is no group
            raise NotEnoughHistoryError(f"{len(rows)} rows of {moving} moving signals are too few for a group")
        model = PCA(n_components=moving_components(rows), svd_solver="full", random_state=self.seed)
        model.fit(rows)
        return FittedGroupPca(fitted_until(history), model)

    def unseen_scores(self, history: Window, /) -> NDArray[np.float64]:
        """Return the history's own scores: deviations come from days that their bands have not seen.

        What few components a fit adds over some thousand rows is little beside that.
        """
        return self.fit(history).score(history)


def moving_components(rows: NDArray[np.float64]) -> int:
    """Return how many principal components of the standardised columns are more than rounding noise."""
    moving = rows[:, np.ptp(rows, axis=0) > 0]
    shares = np.linalg.eigvalsh(np.corrcoef(moving, rowvar=False)) / moving.shape[1]
    return int((shares > _LEAST_VARIANCE_SHARE).sum())
