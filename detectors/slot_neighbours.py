"""How far a value lies from the past values most like it, at the same time of the same day of the week.

Where a slot has several habits (a road with and without school, a pump that runs every other day) a value is
normal if it is close to any of them, which a median cannot say. Values are raised to the power of 0.7 first, so that
a busy hour may vary more than a quiet one. The score's unit is that of the series to the power of 0.7: scores of
different series compare only through their p-values. Not for rhythms that move along the clock, nor for drift.

Source: the mean distance to nearest neighbours of Angiulli and Pizzuti (2002), doi:10.1007/3-540-45681-3_2, among
the values of one slot. Power and share are those that did best on labelled traffic counts.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detectors.protocol import Scope, Window
from detectors.slots import Buckets, SlotHistory, WeekSlots
from detectors.windows import fitted_until

NAME = "slot_neighbours"
"""Name of the detector in records."""

_POWER = 0.7
_CANDIDATES_PER_NEIGHBOUR = 5
"""The nearest fifth counts."""

_LEAST_NEIGHBOURS = 3
_LEAST_CANDIDATES = 4
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class FittedSlotNeighbours:
    """Past values of each slot of the local week, in order.

    Attributes
    ----------
    fitted_until
        Event time of the last row of history, in UTC.
    slots
        Which slot a time lies in.
    buckets
        Of values to the power of 0.7. They hold the whole history: 16 bytes a row.
    """

    fitted_until: datetime
    slots: WeekSlots
    buckets: Buckets

    def score(self, recent: Window, /) -> NDArray[np.float64]:
        """Return each value's mean distance to the nearest fifth, at least three, of the past values of its slot.

        In the series' unit to the power of 0.7. NaN where there is no value, or the history has none in that slot.
        About 1 µs a row.
        """
        values = _powered(recent.values[:, 0])
        return _distances(self.buckets, self.slots.of(recent.times), values, None)


@dataclass(frozen=True, slots=True)
class SlotNeighbours:
    """Fits a `FittedSlotNeighbours` to one series."""

    name: str = NAME
    scope: Scope = Scope.SERIES
    min_history: int = 40
    lookback_rows: int = 0

    def fit(self, history: Window, /) -> FittedSlotNeighbours:
        """Sort the past by slot; n log n.

        A slot of a weekday that has fewer than four values, or all on one day, is judged by that slot of all days,
        which needs three of them.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than `min_history` rows have a value, or they lie within a fortnight and leave most slots of the
            week unknown.
        """
        past = self._past(history)
        return FittedSlotNeighbours(fitted_until(history), past.slots, past.buckets)

    def unseen_scores(self, history: Window, /) -> NDArray[np.float64]:
        """Return the history's scores, each by the other days of its slot; about 2 µs a row.

        A day is left out as a whole, because its neighbouring values are alike. NaN where the other days have fewer
        than three values.

        Raises
        ------
        NotEnoughHistoryError
            As for `fit`.
        """
        past = self._past(history)
        scores = np.full(len(history), np.nan)
        scores[past.rows] = _distances(past.buckets, past.row_slots, past.values, past.row_days)
        return scores

    def _past(self, history: Window) -> SlotHistory:
        powered = replace(history, values=_powered(history.values[:, :1]))
        return SlotHistory.of(powered, self.min_history, _LEAST_CANDIDATES)


def _powered(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.abs(values) ** _POWER, dtype=np.float64)


def _distances(
    buckets: Buckets, slots: NDArray[np.int64], values: NDArray[np.float64], days: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """Return the mean distance of each value to its neighbours, shape (n,); NaN where it has none.

    Parameters
    ----------
    days
        The day of each value, if the values are the buckets' own: no value of the same day is a neighbour then.
    """
    sizes = np.diff(buckets.starts)
    chosen = buckets.chosen[slots]
    own = np.zeros(len(values), dtype=np.int64) if days is None else _of_same_day(slots, days)
    candidates = sizes[chosen] - own
    judged = np.flatnonzero(~np.isnan(values) & (chosen >= 0) & (candidates >= _LEAST_NEIGHBOURS))
    neighbours = _neighbours(candidates)
    # As wide for one row as for many: the rounding of its sum must not depend on the rows beside it.
    width = int(_neighbours(sizes).max() + own.max(initial=0))
    distances = np.full(len(values), np.nan)
    for first in range(0, len(judged), _BLOCK):
        rows = judged[first : first + _BLOCK]
        taken = neighbours[rows] + own[rows]
        starts = _nearest(buckets, chosen[rows], values[rows], taken)
        places = np.minimum(starts[:, None] + np.arange(width), len(buckets.values) - 1)
        excluded = np.arange(width) >= taken[:, None]
        if days is not None:
            excluded |= buckets.days[places] == days[rows, None]
        apart = np.sort(np.where(excluded, np.inf, np.abs(buckets.values[places] - values[rows, None])), axis=1)
        total = np.where(np.arange(width) < neighbours[rows, None], apart, 0.0).sum(axis=1)
        distances[rows] = total / neighbours[rows]
    return distances


def _neighbours(candidates: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.maximum(candidates // _CANDIDATES_PER_NEIGHBOUR, _LEAST_NEIGHBOURS)


def _of_same_day(slots: NDArray[np.int64], days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many of the rows have the slot and the day of each row, itself included; shape (n,)."""
    span = int(days.max()) - int(days.min()) + 1 if len(days) else 1
    pairs = slots * span + (days - days.min(initial=days[0] if len(days) else 0))
    _, group, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    return np.asarray(counts[group], dtype=np.int64)


def _nearest(
    buckets: Buckets, index: NDArray[np.int64], values: NDArray[np.float64], taken: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return where in its bucket the `taken` values nearest to each value begin, by bisection; shape (n,).

    They lie side by side, because a bucket is in order; `taken` is at most its size.
    """
    low, high = buckets.starts[index], buckets.starts[index + 1] - taken
    while (low < high).any():
        middle = (low + high) // 2
        after = buckets.values[np.minimum(middle + taken, len(buckets.values) - 1)]
        further_on = (low < high) & (values - buckets.values[middle] > after - values)
        low, high = np.where(further_on, middle + 1, low), np.where(further_on, high, np.minimum(high, middle))
    return low
