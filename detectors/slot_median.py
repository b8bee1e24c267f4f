"""How far a value lies from the median of its slot of the week, in median absolute deviations of that slot.

The plainest detector of what is unusual for the time of day and the day of the week; it stands in for a forecast
where there is a rhythm and little else. Not for series that drift, nor for rhythms that move along the clock (lamps
follow the sun).

Source: Rousseeuw and Croux (1993), *Alternatives to the Median Absolute Deviation*,
doi:10.1080/01621459.1993.10476408, whose factor makes the deviation that of a normal distribution.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detectors.protocol import Scope, Window
from detectors.slots import Buckets, SlotHistory, WeekSlots
from detectors.windows import fitted_until, least_spread

NAME = "slot_median"
"""Name of the detector in records."""

LEAST_VALUES = 3
"""A median of fewer is one of them."""

_TO_STANDARD_DEVIATION = 1.4826

_FLOOR_SHARE = 0.25
"""A slot's deviation is at least this share of the whole series': a handful of values may agree by chance."""


@dataclass(frozen=True, slots=True)
class FittedSlotMedian:
    """Median and deviation of each slot of the local week.

    Attributes
    ----------
    fitted_until
        Event time of the last row of history, in UTC.
    slots
        Which slot a time lies in.
    centre, spread
        Shape (slots a week,), in the series' unit; NaN where the history says nothing; spread > 0.
    """

    fitted_until: datetime
    slots: WeekSlots
    centre: NDArray[np.float64]
    spread: NDArray[np.float64]

    def score(self, recent: Window, /) -> NDArray[np.float64]:
        """Return each value's distance from the median of its slot, in standard deviations of the slot.

        NaN where there is no value, or the history has none in that slot. Well below 1 µs a row.
        """
        slots = self.slots.of(recent.times)
        return np.abs(recent.values[:, 0] - self.centre[slots]) / self.spread[slots]


@dataclass(frozen=True, slots=True)
class SlotMedian:
    """Fits a `FittedSlotMedian` to one series."""

    name: str = NAME
    scope: Scope = Scope.SERIES
    min_history: int = 40
    lookback_rows: int = 0

    def fit(self, history: Window, /) -> FittedSlotMedian:
        """Learn median and deviation of each slot; tens of milliseconds for a fortnight.

        A slot of a weekday that has fewer than three values, or all on one day, is judged by that slot of all days,
        which needs three of them.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than `min_history` rows have a value, or they lie within a fortnight and leave most slots of the
            week unknown.
        """
        past = SlotHistory.of(history, self.min_history, LEAST_VALUES)
        centre, spread, floor = _by_slot(past)
        return FittedSlotMedian(fitted_until(history), past.slots, centre, np.maximum(spread, floor))

    def unseen_scores(self, history: Window, /) -> NDArray[np.float64]:
        """Return the history's scores, each by the other days of its slot.

        A day is left out as a whole, because its neighbouring values are alike. NaN where the other days have fewer
        than three values. About 5 µs a row.

        Raises
        ------
        NotEnoughHistoryError
            As for `fit`.
        """
        past = SlotHistory.of(history, self.min_history, LEAST_VALUES)
        floor = _by_slot(past)[2]
        scores = np.full(len(history), np.nan)
        bucket = past.buckets.chosen[past.row_slots]
        order = np.argsort(bucket, kind="stable")
        used, firsts = np.unique(bucket[order], return_index=True)
        for index, mine in zip(used, np.split(order, firsts[1:]), strict=True):
            if index < 0:
                continue
            days, position = np.unique(past.row_days[mine], return_inverse=True)
            centre, spread = _by_other_days(past.buckets, index, days)
            distance = np.abs(past.values[mine] - centre[position])
            scores[past.rows[mine]] = distance / np.maximum(spread, floor)[position]
        return scores


def _by_slot(past: SlotHistory) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return median and deviation of each slot of the week, NaN where unknown, and what no deviation falls below."""
    buckets = past.buckets
    centre, spread = np.full((2, len(buckets.starts)), np.nan)
    for index in np.unique(buckets.chosen[buckets.chosen >= 0]):
        values = buckets.values[buckets.starts[index] : buckets.starts[index + 1]]
        centre[index] = np.median(values)
        spread[index] = _TO_STANDARD_DEVIATION * np.median(np.abs(values - centre[index]))
    # The last entry belongs to no bucket: it stays NaN, and is what -1 points to.
    centre, spread = centre[buckets.chosen], spread[buckets.chosen]
    residuals = past.values - centre[past.row_slots]
    return centre, spread, least_spread(residuals[~np.isnan(residuals)], past.values, _FLOOR_SHARE)


def _by_other_days(
    buckets: Buckets, index: int, days: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and deviation of a bucket without each of some days; two arrays of shape (days,)."""
    held = slice(buckets.starts[index], buckets.starts[index + 1])
    own = days[:, None] == buckets.days[None, held]
    others = np.sort(np.where(own, np.inf, buckets.values[None, held]), axis=1)
    counts = (~own).sum(axis=1)
    centre = _middle(others, counts)
    distances = np.sort(np.abs(others - centre[:, None]), axis=1)
    return centre, _TO_STANDARD_DEVIATION * _middle(distances, counts)


def _middle(ascending: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median of the first `counts` values of each row; NaN where there are fewer than three."""
    rows = np.arange(len(ascending))
    middle = (ascending[rows, (counts - 1).clip(0) // 2] + ascending[rows, counts // 2]) / 2
    return np.where(counts < LEAST_VALUES, np.nan, middle)
