"""Past values sorted by slot of the local week, for detectors that compare a value with those of the same hour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.calendar import DAY_S, Calendar
from detectors.errors import NotEnoughHistoryError
from detectors.protocol import Window

_SLOT_S = 900
_LEAST_WEEKDAY_DAYS = 2
_LEAST_POOLED_DAYS = 3
_MOST_SLOTS = 0.5
_ENOUGH_SPAN = np.timedelta64(14, "D")
"""A series that speaks at few hours of the day is judged there, once it has done so for this long."""


@dataclass(frozen=True, slots=True)
class WeekSlots:
    """Slots of the local week: 15 minutes of the wall clock, or the interval of the rows where that is longer.

    Attributes
    ----------
    calendar
        Of the local week; a holiday is a Sunday.
    slot_s
        Length of a slot in seconds.
    """

    calendar: Calendar
    slot_s: float

    @classmethod
    def fitting(cls, of: Window) -> "WeekSlots":
        """Return the slots for rows of a window."""
        return cls(of.calendar, min(max(float(_SLOT_S), of.step_s), float(DAY_S)))

    @property
    def a_day(self) -> int:
        """Slots a day; the last may be shorter."""
        return int(-(-DAY_S // self.slot_s))

    def of(self, times: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Return the slot of the week of each UTC time, 0 to 7 * `a_day` - 1; shape (n,)."""
        days, seconds = np.divmod(self.calendar.second_of_week(times), DAY_S)
        return np.asarray(days * self.a_day + (seconds // self.slot_s).astype(np.int64), dtype=np.int64)

    def local_day(self, times: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Return the number of the day on the wall clock that each UTC time lies in; shape (n,)."""
        return np.asarray(self.calendar.wall_clock(times), dtype="datetime64[D]").astype(np.int64)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Past values by slot: of one weekday where it has enough of them, else of all days.

    Attributes
    ----------
    values, days
        Shape (m,): values in ascending order within each bucket, and the local day of each.
    starts
        Shape (b + 1,): where each bucket begins, and the end.
    chosen
        Shape (slots a week,): the bucket that a slot is judged by, -1 = none.
    """

    values: NDArray[np.float64]
    days: NDArray[np.int64]
    starts: NDArray[np.int64]
    chosen: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SlotHistory:
    """The rows of a history that have a value, and the buckets that these fill.

    Attributes
    ----------
    rows, values, row_slots, row_days
        Shape (n,): number of the row, value, slot of the week, local day.
    """

    slots: WeekSlots
    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    row_slots: NDArray[np.int64]
    row_days: NDArray[np.int64]
    buckets: Buckets

    @classmethod
    def of(cls, history: Window, min_history: int, least: int) -> "SlotHistory":
        """Sort the values of one signal by slot; n log n.

        Parameters
        ----------
        min_history
            Rows with a value that are needed.
        least
            Values that a bucket needs.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than `min_history` rows have a value, or they lie within a fortnight and leave most slots of the
            week without a bucket.
        """
        rows = np.flatnonzero(~np.isnan(history.values[:, 0]))
        if rows.size < min_history:
            raise NotEnoughHistoryError(f"{rows.size} values are too few to know a week by; {min_history} are needed")
        slots, times, values = WeekSlots.fitting(history), history.times[rows], history.values[rows, 0]
        row_slots, row_days = slots.of(times), slots.local_day(times)
        buckets = _fill_buckets(values, row_slots, row_days, slots.a_day, least)
        judged = float((buckets.chosen >= 0).mean())
        if judged == 0 or (judged < _MOST_SLOTS and times[-1] - times[0] < _ENOUGH_SPAN):
            raise NotEnoughHistoryError(f"{rows.size} values leave {1 - judged:.0%} of the week's slots unknown")
        return cls(slots, rows, values, row_slots, row_days, buckets)


def _fill_buckets(
    values: NDArray[np.float64], slots: NDArray[np.int64], days: NDArray[np.int64], a_day: int, least: int
) -> Buckets:
    """Return the buckets that hold `least` values: of two days for one weekday, of three for all days.

    One day is not enough, however many values it has: neighbours are too much alike to say how much a slot varies.
    """
    a_week = 7 * a_day
    keys = np.concatenate([slots, a_week + slots % a_day])
    days, values = np.tile(days, 2), np.tile(values, 2)
    number = a_week + a_day
    counts = np.bincount(keys, minlength=number)
    # One number for slot and day together: rows of two columns take many times as long to tell apart.
    span = int(days.max()) - int(days.min()) + 1
    distinct = np.bincount(np.unique(keys * span + (days - days.min())) // span, minlength=number)
    needed = np.where(np.arange(number) < a_week, _LEAST_WEEKDAY_DAYS, _LEAST_POOLED_DAYS)
    enough = (counts >= least) & (distinct >= needed)
    pooled = np.tile(np.where(enough[a_week:], np.arange(a_week, number), -1), 7)
    chosen = np.where(enough[:a_week], np.arange(a_week), pooled)
    kept = np.isin(keys, chosen)
    order = np.lexsort((values[kept], keys[kept]))
    starts = np.searchsorted(keys[kept][order], np.arange(number + 1))
    return Buckets(values[kept][order], days[kept][order], starts, chosen)
