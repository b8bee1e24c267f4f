"""The score of the Numenta Anomaly Benchmark: early detection earns, false alarms cost.

A labelled event is a window. The earliest row of a window that is called abnormal earns the more, the earlier it lies;
a window without any costs; so does each row outside called abnormal, less shortly behind a window than elsewhere. A
row is called abnormal when its score reaches the threshold, which is one for all series and the best there is.

Source: Lavin and Ahmad (2015), *Evaluating Real-time Anomaly Detection Algorithms*, doi:10.1109/ICMLA.2015.141,
arXiv:1510.03336.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cli.evaluation.runs import runs_of


class Profile(NamedTuple):
    """What a found window, a row of false alarm and a missed window weigh."""

    found: float
    false_alarm: float
    missed: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "low_fp": Profile(1.0, 0.22, 1.0),
    "low_fn": Profile(1.0, 0.11, 2.0),
}

_FAR_BEHIND = 3.0
"""Widths of a window behind it from which on a false alarm costs in full."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of all series, end to end.

    Attributes
    ----------
    scores
        Shape (n,).
    weights
        Shape (n,): what a row earns, in (0, 1] inside a window, or costs, in [-1, 0) outside.
    windows
        Shape (n,): number of the window that the row lies in, ascending; -1 outside.
    """

    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    windows: NDArray[np.int64]


def nab_scores(series: Sequence[tuple[NDArray[np.integer], NDArray[np.float64]]]) -> dict[str, float]:
    """Return the score for each profile: 0 = nothing detected, 100 = each window at its left edge, no false alarm.

    Parameters
    ----------
    series
        For each series its labels, 0/1, and its scores, without NaN, both of shape (n,); the rows for learning cut
        off. Scores of all series are compared with the same threshold.

    Returns
    -------
    Keys `standard`, `low_fp` (false alarms weigh double), `low_fn` (missed windows do); NaN where no row is labelled.
    """
    rows = _end_to_end(series)
    count = int(rows.windows.max(initial=-1)) + 1
    if not count:
        return dict.fromkeys(PROFILES, float("nan"))
    order = np.argsort(-rows.scores, kind="stable")
    earned, found, cost = _by_rank(rows, order)
    descending = rows.scores[order]
    # Rows of equal score are called abnormal together, so only the last of them is a threshold.
    thresholds = np.append(np.flatnonzero(descending[1:] != descending[:-1]), descending.size - 1)
    earned, found, cost = (np.cumsum(column)[thresholds] for column in (earned, found, cost))
    return {name: _of_profile(profile, count, earned, found, cost) for name, profile in PROFILES.items()}


def _of_profile(
    profile: Profile, count: int, earned: NDArray[np.float64], found: NDArray[np.int64], cost: NDArray[np.float64]
) -> float:
    """Return the score at the best threshold; no row called abnormal is a threshold too, and scores 0."""
    over_nothing = profile.found * earned + profile.missed * found + profile.false_alarm * cost
    return 100.0 * float(over_nothing.max(initial=0.0)) / ((profile.found + profile.missed) * count)


def _by_rank(
    rows: _Rows, order: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return what each row adds when rows are called abnormal one by one.

    Parameters
    ----------
    rows, order
        The n rows, and their indices by falling score.

    Returns
    -------
    earned, found, cost
        Each of shape (n,), in that order: what the row's window earns more, 1 for a window's first row, and the
        (negative) weight of a row outside.
    """
    windows, weights = rows.windows[order], rows.weights[order]
    inside = np.flatnonzero(windows >= 0)
    # Window by window from the last to the first: all rows of the next group lie earlier than any before, so that one
    # running minimum over everything is the earliest row so far of each window.
    grouped = inside[np.argsort(-windows[inside], kind="stable")]
    best = rows.weights[np.minimum.accumulate(order[grouped])]
    first = np.diff(windows[grouped], prepend=-1) != 0
    earned, found = np.zeros(order.size), np.zeros(order.size, dtype=np.int64)
    earned[grouped] = np.where(first, best, np.diff(best, prepend=0.0))
    found[grouped] = first
    return earned, found, np.where(windows < 0, weights, 0.0)


def _end_to_end(series: Sequence[tuple[NDArray[np.integer], NDArray[np.float64]]]) -> _Rows:
    """Return the rows of all series, windows numbered through."""
    scores, weights, windows, count = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, dtype=np.int64)], 0
    for labels, its_scores in series:
        starts, stops = runs_of(labels)
        its_weights, its_windows = _weights(len(labels), starts, stops)
        scores.append(its_scores)
        weights.append(its_weights)
        windows.append(np.where(its_windows >= 0, its_windows + count, -1))
        count += starts.size
    return _Rows(np.concatenate(scores), np.concatenate(weights), np.concatenate(windows))


def _weights(
    size: int, starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return weight and window of each row of a series, both of shape (size,)."""
    weights, windows = np.full(size, -1.0), np.full(size, -1, dtype=np.int64)
    if not starts.size:
        return weights, windows
    # Rows before the first window have no window behind them to be close to.
    rows = np.arange(starts[0], size)
    latest = np.searchsorted(starts, rows, side="right") - 1
    length, to_stop = (stops - starts)[latest], stops[latest] - rows
    inside = to_stop > 0
    earns = _sigmoid(-to_stop / length) / _sigmoid(np.float64(-1.0))
    costs = _sigmoid((1 - to_stop) / np.maximum(length - 1, 1))
    weights[starts[0] :] = np.where(inside, earns, costs)
    windows[starts[0] :] = np.where(inside, latest, -1)
    return weights, windows


def _sigmoid(position: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    """Return the benchmark's falling curve: near 1 a window's width before its right edge, 0 there, -1 far behind."""
    near = 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, _FAR_BEHIND))) - 1.0
    return np.where(position > _FAR_BEHIND, -1.0, near)
