"""Rows of an asset's signals, with the rows just before them, that lie apart from those of the history.

Three of PyOD's detectors over lag features: isolation forest, empirical tails (ECOD) and principal components. They
are what PyOD offers for raw signals without an expectation, and stay in the combination because where a signal drifts
slowly they do better than deviations from a forecast. Where there is a strong rhythm they judge the extremes of every
day as odd as a fault; `group_pca` over deviations is the better choice there.

Features are the values of a row and of the lags - 1 rows before it, lags = 48 // k, at least 2 and at most 12: an hour
of five minutes for up to four signals, and a number of features that hardly grows with the number k of signals.

Source: Liu, Ting and Zhou (2008), *Isolation Forest*, doi:10.1109/ICDM.2008.17; Li et al. (2022), *ECOD*,
doi:10.1109/TKDE.2022.3159580; Shyu et al. (2003), *A Novel Anomaly Detection Scheme Based on Principal Component
Classifier*; each as in PyOD.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.errors import NotEnoughHistoryError
from detectors.group_pca import moving_components
from detectors.protocol import Scope, Window
from detectors.unseen import left_out_scores
from detectors.windows import at_hand, carried_forward, fitted_until, usual_range

IFOREST_NAME, ECOD_NAME, PCA_NAME = "iforest_lags", "ecod_lags", "pca_lags"
"""Names of the detectors in records."""

FIT_ROWS = 20_000
"""Rows that a fit looks at, drawn from all of the history so that no season or hour of the day is left out. It bounds
time and memory: ECOD keeps them, 160 kB a feature, and a forest of 100 trees of 256 rows sees hardly more."""

_LAG_BUDGET = 48
_LEAST_LAGS, _MOST_LAGS = 2, 12
_REACH = 10.0
"""Values count no further from the median than this many usual ranges, and are left out of a fit."""

_STRETCHES = 3
_BLOCK = 2048
_TREES = 100
_FOREST_ROWS = 4_096


class _Model(Protocol):
    def score(self, features: NDArray[np.float64], /) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True)
class LagFeatures:
    """Makes features of the rows of k signals.

    Attributes
    ----------
    lags
        Rows that a feature vector looks at.
    centre, usual
        Shape (k,), median and range of the usual values of each signal's history, in its unit.
    kept
        Shape (k * lags,): which features the history moves.
    """

    lags: int
    centre: NDArray[np.float64]
    usual: NDArray[np.float64]
    kept: NDArray[np.bool_]

    @classmethod
    def of(cls, history: Window) -> "LagFeatures":
        """Return what scales the signals of a history; all features are kept."""
        count = len(history.metrics)
        lags = min(max(_LAG_BUDGET // count, _LEAST_LAGS), _MOST_LAGS)
        ranges = np.array([usual_range(column) for column in history.values.T])
        return cls(
            lags, np.nan_to_num(ranges[:, 0]), np.nan_to_num(ranges[:, 1], nan=1.0), np.ones(count * lags, np.bool_)
        )

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return distances from the median in usual ranges; trees compare in single precision."""
        return (values - self.centre) / self.usual

    def judged(self, of: Window) -> NDArray[np.bool_]:
        """Return which rows have a value and all their lags at hand; shape (n,)."""
        return at_hand(of, self.lags) & ~np.isnan(of.values).all(axis=1)

    def blocks(
        self, scaled: NDArray[np.float64], rows: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Yield some of the ascending `rows` and their features, block by block.

        A missing value is the signal's latest among the lags, else its median.
        """
        before = self.lags - 1
        for first in range(before, len(scaled), _BLOCK):
            mine = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + _BLOCK)]
            if mine.size:
                windows = carried_forward(scaled[first - before : first + _BLOCK], self.lags)[mine - first]
                yield mine, np.nan_to_num(windows.reshape(len(mine), -1)[:, self.kept], nan=0.0)


@dataclass(frozen=True, slots=True)
class FittedLagOutliers:
    """Features, and a model of those of the history.

    Attributes
    ----------
    fitted_until
        Event time of the last row of history, in UTC.
    """

    fitted_until: datetime
    features: LagFeatures
    model: _Model

    def score(self, recent: Window, /) -> NDArray[np.float64]:
        """Return how far apart each row lies, in the unit of the model.

        NaN where no signal has a value, or the rows before are not at hand.
        """
        scores = np.full(len(recent), np.nan)
        scaled = np.clip(self.features.scaled(recent.values), -_REACH, _REACH)
        for rows, features in self.features.blocks(scaled, np.flatnonzero(self.features.judged(recent))):
            scores[rows] = self.model.score(features)
        return scores


@dataclass(frozen=True, slots=True)
class LagOutliers:
    """Fits a `FittedLagOutliers` to all signals of an asset.

    Attributes
    ----------
    name
        Of the detector in records.
    seed
        Of the rows that are drawn and of the model.
    learn
        Returns a model of features of shape (n, f), given a seed.
    """

    name: str
    seed: int
    learn: Callable[[NDArray[np.float64], int], _Model]
    scope: Scope = Scope.ASSET
    min_history: int = 150
    lookback_rows: int = _MOST_LAGS - 1

    def fit(self, history: Window, /) -> FittedLagOutliers:
        """Learn what rows of k >= 1 signals look like; up to a second.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than `min_history` rows have a value and their lags at hand, or no signal moves.
        """
        features = LagFeatures.of(history)
        scaled = features.scaled(history.values)
        scaled[np.abs(scaled) > _REACH] = np.nan
        rows = np.flatnonzero(features.judged(history) & ~np.isnan(scaled).all(axis=1))
        if rows.size < self.min_history:
            raise NotEnoughHistoryError(f"{rows.size} rows are too few to learn from; {self.min_history} are needed")
        if rows.size > FIT_ROWS:
            rows = np.sort(np.random.default_rng(self.seed).choice(rows, FIT_ROWS, replace=False))
        learnt = np.concatenate([block for _, block in features.blocks(scaled, rows)])
        kept = np.ptp(learnt, axis=0) > 0
        if kept.sum() < _LEAST_LAGS:
            raise NotEnoughHistoryError("no signal moves, so no row can lie apart")
        kept_features = LagFeatures(features.lags, features.centre, features.usual, kept)
        return FittedLagOutliers(fitted_until(history), kept_features, self.learn(learnt[:, kept], self.seed))

    def unseen_scores(self, history: Window, /) -> NDArray[np.float64]:
        """Return the scores of each third of the history by a fit on the other two."""
        return left_out_scores(self, history, _STRETCHES)


def iforest_lags(seed: int) -> LagOutliers:
    """Return an isolation forest of 100 trees.

    Scores lie between 0 and 1 and rise with how few splits set a row apart: PyOD's, plus its offset, which makes
    them non-negative. About 6 µs a row, and 7 ms a call.
    """
    return LagOutliers(IFOREST_NAME, seed, _Forest.of)


def ecod_lags(seed: int) -> LagOutliers:
    """Return empirical tails: the sum, over features, of minus the logarithm of the smaller tail of the history.

    About 0.2 µs a row and feature.
    """
    return LagOutliers(ECOD_NAME, seed, _Tails.of)


def pca_lags(seed: int) -> LagOutliers:
    """Return principal components: PyOD's weighted sum of distances; about 1 µs a row."""
    return LagOutliers(PCA_NAME, seed, _Components.of)


@dataclass(frozen=True, slots=True)
class _Forest:
    model: Any

    @classmethod
    def of(cls, features: NDArray[np.float64], seed: int) -> "_Forest":
        from pyod.models.iforest import IForest

        # A tree grows from 256 rows; PyOD's fit would score all the others only to set a threshold that nobody uses.
        drawn = np.linspace(0, len(features) - 1, min(len(features), _FOREST_ROWS)).astype(np.int64)
        return cls(IForest(n_estimators=_TREES, n_jobs=1, random_state=seed).fit(features[drawn]))

    def score(self, features: NDArray[np.float64], /) -> NDArray[np.float64]:
        return np.asarray(self.model.decision_function(features) - self.model.offset_, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Tails:
    """PyOD's ECOD of one row at a time.

    PyOD counts the rows that are scored together among those that tails are taken from, so there a score depends on
    later rows. Alone, a row adds one to both. PyOD also picks a tail by the sign of a feature's skewness, but then
    takes the larger of both tails anyway; the pick would count only for a skewness of exactly 0, and is left out. So
    nothing of PyOD's own fit is needed, and the columns are kept sorted, in a fifth of its memory.
    """

    columns: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float64], _: int) -> "_Tails":
        return cls(np.sort(features.T, axis=1))

    def score(self, features: NDArray[np.float64], /) -> NDArray[np.float64]:
        count = self.columns.shape[1]
        scores = np.zeros(len(features))
        for column, values in zip(self.columns, features.T, strict=True):
            at_or_below = np.searchsorted(column, values, side="right")
            at_or_above = count - np.searchsorted(column, values, side="left")
            scores -= np.log((np.minimum(at_or_below, at_or_above) + 1) / (count + 1))
        return scores


@dataclass(frozen=True, slots=True)
class _Components:
    model: Any

    @classmethod
    def of(cls, features: NDArray[np.float64], seed: int) -> "_Components":
        from pyod.models.pca import PCA

        return cls(PCA(n_components=moving_components(features), svd_solver="full", random_state=seed).fit(features))

    def score(self, features: NDArray[np.float64], /) -> NDArray[np.float64]:
        return np.asarray(self.model.decision_function(features), dtype=np.float64)
