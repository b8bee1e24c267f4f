"""From scores to p-values: how rare such a score was in the past of the same series.

The body of the distribution is the empirical one. Its tail, which no fortnight of data reaches into, is a
generalised Pareto distribution fitted to what exceeds a high quantile. Scores hang together in time, so neighbouring
excesses are one cluster and only its highest counts: the tail's p-value is the rate of such clusters per row, which
is what an alert budget is about.

Source: Pickands (1975), doi:10.1214/aos/1176343003; the fit by probability-weighted moments: Hosking and Wallis
(1987), doi:10.1080/00401706.1987.10488243; runs declustering: Coles (2001), *An Introduction to Statistical Modeling
of Extreme Values*, section 5.3. The shape
is kept between 0.1 and 0.5: a fortnight holds a few dozen clusters, which cannot tell a bounded tail from one that
goes on, and a bounded one would call anything past its end impossible; above 0.5 the moments do not exist.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.errors import NotEnoughHistoryError

TAIL_SHARE = 0.05
"""Share of the past that counts as tail."""

_CLUSTER_GAP_ROWS = 12
_MIN_SCORES = 100
_SHAPE_RANGE = (0.1, 0.5)
_BODY_POINTS = 200


@dataclass(frozen=True, slots=True)
class TailCalibrator:
    """Turns scores into p-values.

    Attributes
    ----------
    body_scores, body_p_values
        Ascending scores up to where the tail begins and the share of the past that lay at or above each.
    tail_start
        Score from which on the tail's formula holds.
    tail_share
        Clusters above `tail_start` per row of the past.
    scale, shape
        Of the generalised Pareto distribution; both greater than 0.
    """

    body_scores: NDArray[np.float64]
    body_p_values: NDArray[np.float64]
    tail_start: float
    tail_share: float
    scale: float
    shape: float

    def p_values(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how likely a score this high or higher is while all is normal.

        Parameters
        ----------
        scores
            Any shape; NaN = not judged.

        Returns
        -------
        Same shape, in (0, 1], falling with the score; NaN for NaN.
        """
        # The step at or below a score, not a line between two: steps may lie too close together for a slope.
        below = np.searchsorted(self.body_scores, scores, side="right") - 1
        body = self.body_p_values[below.clip(0)]
        excess = np.maximum(scores - self.tail_start, 0.0) / self.scale
        tail = self.tail_share * (1.0 + self.shape * excess) ** (-1.0 / self.shape)
        return np.where(np.isnan(scores), np.nan, np.where(scores > self.tail_start, tail, body)).clip(1e-300, 1.0)


def fit_tail(scores: NDArray[np.float64]) -> TailCalibrator:
    """Learn how scores are distributed while all is normal.

    Parameters
    ----------
    scores
        Shape (n,), in order of time, of the detector on rows that its fit has not seen; NaN = not judged, left out.

    Raises
    ------
    NotEnoughHistoryError
        If fewer than 100 scores are left.
    """
    in_order = scores[~np.isnan(scores)]
    known = np.sort(in_order)
    if known.size < _MIN_SCORES:
        raise NotEnoughHistoryError(f"{known.size} scores are too few to calibrate on; {_MIN_SCORES} are needed")
    tail_start = float(np.quantile(known, 1.0 - TAIL_SHARE))
    excess = np.sort(_cluster_peaks(in_order, tail_start)) - tail_start
    spread = max(tail_start - float(np.median(known)), abs(tail_start) * 1e-3, 1e-9)
    scale, shape = _pareto(excess, floor=spread / 4.0)
    body_scores = np.quantile(known, np.linspace(0.0, 1.0 - TAIL_SHARE, _BODY_POINTS))
    at_or_above = 1.0 - np.searchsorted(known, body_scores, side="left") / known.size
    # One more cluster than was seen may lie in the tail: (k + 1) / (n + 1), as in conformal prediction.
    tail_share = (excess.size + 1) / (known.size + 1)
    return TailCalibrator(body_scores, np.maximum(at_or_above, tail_share), tail_start, tail_share, scale, shape)


def _cluster_peaks(scores: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Return the highest score of each cluster above a threshold; clusters lie an hour's rows apart."""
    above = np.flatnonzero(scores > threshold)
    if not above.size:
        return np.zeros(0)
    starts = np.flatnonzero(np.diff(above, prepend=-_CLUSTER_GAP_ROWS - 1) > _CLUSTER_GAP_ROWS)
    return np.maximum.reduceat(scores[above], starts)


def _pareto(excess: NDArray[np.float64], floor: float) -> tuple[float, float]:
    """Return scale and shape of the generalised Pareto distribution of ascending excesses over a threshold."""
    if excess.size < 2:  # noqa: PLR2004 - two moments need two points
        return max(float(excess.mean()) if excess.size else 0.0, floor), _SHAPE_RANGE[0]
    ranks = np.arange(1, excess.size + 1)
    first = float(excess.mean())
    second = float(np.mean(excess * (1.0 - (ranks - 0.35) / excess.size)))
    spread = first - 2.0 * second
    # Excesses that are all alike give no spread, which is the bounded end of the family.
    shape = float(np.clip(2.0 - first / spread if spread > 0 else 0.0, *_SHAPE_RANGE))
    # Where the shape was moved into its range, the scale keeps the mean excess right.
    return max(first * (1.0 - shape), floor), shape
