"""What one panel shows of a stretch: which rows around it, which signals, and what is usual at that time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.scorecard.labelled import signal_label
from benchmarks.scorecard.spans import JudgedRows, Span

MOST_SIGNALS = 2
USUAL_DAYS = 28

_AT_LEAST = pd.Timedelta(hours=36)
_LEAST_STEPS = 96
_LEAST_BIN_S = 900.0
_LEAST_VALUES = 3
"""How many values of the days before make a usual one."""
_SATURDAY = 5
_MANY_DAYS = pd.Timedelta(days=21)


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One signal over the rows shown.

    Attributes
    ----------
    label
        What it is, with its unit.
    values, usual
        Shape (m,), in that unit; NaN where there is none.
    daily
        Shape (m,): mean of the day around each row, where so many days are shown that a day is a hair; else None.
    """

    label: str
    values: NDArray[np.float64]
    usual: NDArray[np.float64]
    daily: NDArray[np.float64] | None


def rows_around(span: Span) -> slice:
    """Return the rows to show: enough on either side to see what is normal, not so much that the stretch vanishes."""
    times = span.rows.times
    step = pd.Timedelta(np.median(np.diff(times))) if len(times) > 1 else pd.Timedelta(0)
    pad = min(max(span.length, _AT_LEAST), max(3 * span.length, _LEAST_STEPS * step)).to_timedelta64()
    start = int(np.searchsorted(times, times[span.start] - pad))
    return slice(start, int(np.searchsorted(times, times[span.stop - 1] + pad, side="right")))


def strips_of(span: Span) -> list[Strip]:
    """Return the signals that changed most in a stretch, the loudest first."""
    rows, shown = span.rows, rows_around(span)
    usual = [usual_values(rows, signal, shown) for signal in range(len(rows.metrics))]
    changes = [change(span, signal, shown, usual[signal]) for signal in range(len(rows.metrics))]
    loudest = sorted(range(len(changes)), key=lambda signal: -changes[signal])[:MOST_SIGNALS]
    return [_strip(rows, signal, shown, usual[signal]) for signal in loudest]


def _strip(rows: JudgedRows, signal: int, shown: slice, usual: NDArray[np.float64]) -> Strip:
    label = signal_label(rows.labelled.units, rows.series, rows.metrics[signal])
    values, times = rows.values[shown, signal], pd.DatetimeIndex(rows.times[shown])
    if times[-1] - times[0] <= _MANY_DAYS:
        return Strip(label, values, usual, None)
    daily = pd.Series(values, times).rolling(pd.Timedelta(days=1), center=True).mean().to_numpy(np.float64)
    # What was usual months ago says little.
    return Strip(label, values, np.full(len(values), np.nan), daily)


def usual_values(rows: JudgedRows, signal: int, shown: slice) -> NDArray[np.float64]:
    """Return the median at the same time of day, on days of the same kind, of up to four weeks before.

    Labelled rows are left out. This is no model of ours, only something for the eye.

    Returns
    -------
    Shape (rows shown,); NaN where there are too few days before.
    """
    since = rows.times[shown.start] - np.timedelta64(USUAL_DAYS, "D")
    before = slice(int(np.searchsorted(rows.times, since)), shown.start)
    slots = _slots(rows)
    kept = ~rows.labels[before]
    past = pd.Series(rows.values[before, signal][kept]).groupby(slots[before][kept])
    medians = past.median().where(past.count() >= _LEAST_VALUES)
    return np.asarray(medians.reindex(slots[shown]), dtype=np.float64)


def change(span: Span, signal: int, shown: slice, usual: NDArray[np.float64]) -> float:
    """Return how far a signal leaves the usual in a stretch on average, in units of how far it does around it."""
    values = span.rows.values[shown, signal]
    middle = np.where(np.isnan(usual), _median(values), usual)
    away = np.abs(values - middle)
    inside = np.zeros(len(values), dtype=np.bool_)
    inside[span.start - shown.start : span.stop - shown.start] = True
    calm = ~inside & ~span.rows.labels[shown]
    loud, quiet = away[inside & ~np.isnan(away)], away[calm & ~np.isnan(away)]
    if not loud.size:
        return 0.0
    # The mean, since the median of a coarse instrument's deviations is 0.
    spread = max(float(quiet.mean()), 1e-3 * _range(values), 1e-12) if quiet.size else 1.0
    return float(loud.mean()) / spread


def _slots(rows: JudgedRows) -> NDArray[np.int64]:
    """Return a number for each row's time of day and kind of day."""
    stamps = pd.DatetimeIndex(rows.times)
    seconds = (stamps - stamps.normalize()).total_seconds().to_numpy(np.float64)
    bin_s = max(_LEAST_BIN_S, rows.labelled.interval_s or 0.0)
    weekend = (stamps.day_of_week >= _SATURDAY).astype(np.int64)
    return np.asarray(seconds // bin_s, dtype=np.int64) * 2 + np.asarray(weekend, dtype=np.int64)


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else 0.0


def _range(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.ptp(known)) if known.size else 0.0
