"""Scores of rows that a fit has not seen, by leaving out one stretch of the history after another.

A model flatters itself on what it has learnt; thresholds taken from its own history promise more than they keep.
Stretches are contiguous, because neighbouring rows are alike: rows left out one by one would be known all the same.
"""

from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.errors import NotEnoughHistoryError
from detectors.protocol import FittedDetector, Window


class _Fits(Protocol):
    @property
    def lookback_rows(self) -> int: ...

    def fit(self, history: Window, /) -> FittedDetector: ...


def left_out_scores(detector: _Fits, history: Window, stretches: int) -> NDArray[np.float64]:
    """Score each stretch of the history by a fit on all the others.

    Parameters
    ----------
    stretches
        At least 2; the detector is fitted as often.

    Returns
    -------
    Shape (n,), NaN where a row could not be judged. A stretch without which there is too little history stays NaN.

    Raises
    ------
    NotEnoughHistoryError
        If that is so of every stretch.
    """
    scores = np.full(len(history), np.nan)
    bounds = np.linspace(0, len(history), stretches + 1).astype(int)
    reason: NotEnoughHistoryError | None = None
    fitted_once = False
    for start, stop in pairwise(bounds.tolist()):
        others = np.ones(len(history), dtype=np.bool_)
        others[start:stop] = False
        try:
            fitted = detector.fit(history.only(others))
        except NotEnoughHistoryError as exc:
            reason = exc
            continue
        fitted_once = True
        context = max(start - detector.lookback_rows, 0)
        scores[start:stop] = fitted.score(history.rows(context, stop))[start - context :]
    if not fitted_once:
        raise reason or NotEnoughHistoryError("there is no history to leave a part of out")
    return scores
