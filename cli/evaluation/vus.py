"""Volume under the precision-recall surface (VUS-PR): how well scores rank events, labels being vague at their edges.

Around each event the label fades out over half a buffer's length, as the square root of what is left of it. Recall
and precision are counted with these soft labels, recall times the share of events that are touched at all. The area
under their curve for each buffer length from 0 to the series' period, averaged, is the volume.

Source: Paparrizos et al. (2022), doi:10.14778/3551793.3551830. What the paper leaves open is as in the authors'
package TSB-AD 1.5 (`get_metrics` with `version="opt"`, and `find_length_rank`), with which figures in the literature
were made: 250 thresholds at evenly spaced ranks, recall's denominator the mean of hard and predicted soft labels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import next_fast_len

from cli.evaluation.runs import runs_of

FALLBACK_WINDOW_ROWS = 125
"""Period of a series that shows none."""

_THRESHOLDS = 250
_FIRST_LAG = 3
_LAST_LAG = 400
_PERIOD_RANGE_ROWS = (6, 303)
_ROWS_FOR_PERIOD = 20_000


def vus_pr(labels: ArrayLike, scores: NDArray[np.float64], window: int) -> float:
    """Return the volume under the precision-recall surface, near 0 (worst) to 1 (best).

    Parameters
    ----------
    labels
        Shape (n,), 0/1.
    scores
        Shape (n,), high = abnormal; without NaN.
    window
        Longest buffer, in rows; 0 or more. Half of it lies before an event, half behind.

    Returns
    -------
    NaN where no row or every row is labelled.
    """
    flags = np.asarray(labels, dtype=np.bool_)
    if flags.all() or not flags.any():
        return float("nan")
    first = _first_threshold(scores)
    predicted, hits = _cumulated(first), _cumulated(first[flags])
    surroundings, total = _surroundings(flags, first, window), float(np.count_nonzero(flags))
    volume = 0.0
    for buffer in range(window + 1):
        soft = surroundings.soft_hits(buffer)
        recall = np.minimum((hits + soft) / (total + soft / 2.0), 1.0) * surroundings.share_touched(buffer)
        volume += float(np.diff(recall, prepend=0.0) @ ((hits + soft) / predicted))
    return volume / (window + 1)


def window_length(values: NDArray[np.float64]) -> int:
    """Return the period of a series: the lag of the highest local maximum of its autocorrelation.

    Parameters
    ----------
    values
        Shape (n,), any unit; only the first 20,000 rows are looked at.

    Returns
    -------
    Rows, 6 to 303; 125 where there is no local maximum, where the highest lies outside that range, and where a value
    is NaN.
    """
    correlation = _autocorrelation(values[:_ROWS_FOR_PERIOD])[_FIRST_LAG : _LAST_LAG + 1]
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner > correlation[:-2]) & (inner > correlation[2:])) + 1
    if not peaks.size:
        return FALLBACK_WINDOW_ROWS
    lag = int(peaks[np.argsort(correlation[peaks])[-1]]) + _FIRST_LAG
    shortest, longest = _PERIOD_RANGE_ROWS
    return lag if shortest <= lag <= longest else FALLBACK_WINDOW_ROWS


def _autocorrelation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the autocorrelation at lags 0 to n - 1, all divided by n; empty where values do not vary or are NaN."""
    if not values.size:
        return np.zeros(0)
    deviations = values - values.mean()
    # Zeros behind the series keep its end from wrapping round to its start.
    length = next_fast_len(2 * values.size + 1, real=True)
    spectrum = np.fft.fft(deviations, n=length)
    covariance = np.fft.ifft(spectrum * np.conjugate(spectrum))[: values.size].real
    return covariance / covariance[0] if covariance[0] > 0 else np.zeros(0)


def _first_threshold(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each row the number of the first, highest threshold that its score reaches; shape (n,)."""
    ascending = np.sort(-scores)
    ranks = np.linspace(0, scores.size - 1, _THRESHOLDS).astype(np.int64)
    return np.searchsorted(ascending[ranks], -scores, side="left")


def _cumulated(first: NDArray[np.int64], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the sum of weights (1 each where None) of the rows that reach each threshold; shape (250,)."""
    return np.cumsum(np.bincount(first, weights=weights, minlength=_THRESHOLDS)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What lies around the events of a series.

    Attributes
    ----------
    starts, last
        Shape (events,): first and last row of each event.
    first_of_all
        Shape (n,): first threshold that each row reaches.
    nearest, second, first
        Shape (m,), for the rows outside events, ascending by distance: rows to the nearest event, to the next nearest
        event, and the first threshold reached.
    """

    starts: NDArray[np.int64]
    last: NDArray[np.int64]
    first_of_all: NDArray[np.int64]
    nearest: NDArray[np.int64]
    second: NDArray[np.int64]
    first: NDArray[np.int64]

    def soft_hits(self, buffer: int) -> NDArray[np.float64]:
        """Return the sum of the labels outside events of the rows that reach each threshold; shape (250,)."""
        half = buffer // 2
        reached = int(np.searchsorted(self.nearest, half, side="right"))
        fading = np.sqrt(1.0 - self.nearest[:reached] / max(buffer, 1))
        # The buffers of two events add up, to 1 at most; as each is at least the root of 1/2, to 1 always.
        return _cumulated(self.first[:reached], np.where(self.second[:reached] <= half, 1.0, fading))

    def share_touched(self, buffer: int) -> NDArray[np.float64]:
        """Return the share of events, joined where buffers meet, that have a row reaching each threshold; (250,)."""
        half = buffer // 2
        apart = self.last[:-1] + half < self.starts[1:] - half
        begin = np.maximum(self.starts[np.append(True, apart)] - half, 0)
        stop = np.minimum(self.last[np.append(apart, True)] + half + 1, self.first_of_all.size)
        # An extra row at the end lets the last stretch stop there; every other result is a stretch between events.
        edges = np.stack((begin, stop), axis=1).ravel()
        best: NDArray[np.int64] = np.minimum.reduceat(np.append(self.first_of_all, _THRESHOLDS), edges)[::2]
        return _cumulated(best) / float(begin.size)


def _surroundings(flags: NDArray[np.bool_], first: NDArray[np.int64], window: int) -> _Surroundings:
    """Measure the distance of each row outside events to the two events nearest to it."""
    starts, stops = runs_of(flags)
    last, beyond = stops - 1, flags.size + window
    rows = np.flatnonzero(~flags)
    behind = np.searchsorted(last, rows)
    # Two made-up events far out at either end are the neighbours of rows that have too few.
    padded_last = np.concatenate(([-beyond, -beyond], last))
    padded_starts = np.concatenate((starts, [flags.size + beyond, flags.size + beyond]))
    to_left, to_second_left = rows - padded_last[behind + 1], rows - padded_last[behind]
    to_right, to_second_right = padded_starts[behind] - rows, padded_starts[behind + 1] - rows
    nearest = np.minimum(to_left, to_right)
    second = np.minimum(np.maximum(to_left, to_right), np.minimum(to_second_left, to_second_right))
    order = np.argsort(nearest, kind="stable")
    return _Surroundings(starts, last, first, nearest[order], second[order], first[rows][order])
