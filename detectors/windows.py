"""What several detectors do with rows: look back from them, fill what is missing, tell what is usual.

A window that ends at a row is filled from within itself only, so that no score depends on a row before it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from detectors.protocol import Window

_BLOCK = 256
"""Windows cut at once: enough to be fast, few enough to stay in the processor's cache."""

_STRETCH = 2
"""A window that takes more than this many times its usual time holds a gap; what lies before it is another story."""

_USUAL = (0.01, 0.99)
_OUTER = 0.95
_NORMAL_OUTER = 1.96
"""Standard deviations that hold 95 % of a normal distribution."""


def fitted_until(history: Window) -> datetime:
    """Return the event time of the last row of a history that has rows, in UTC."""
    until: datetime = history.times[-1].astype("datetime64[us]").item()
    return until.replace(tzinfo=UTC)


def at_hand(of: Window, rows: int) -> NDArray[np.bool_]:
    """Return which rows have `rows` - 1 rows before them, all within at most twice the usual time; shape (n,)."""
    found = np.zeros(len(of), dtype=np.bool_)
    if len(of) >= rows:
        spans = of.times[rows - 1 :] - of.times[: len(of) - rows + 1]
        found[rows - 1 :] = spans <= np.timedelta64(round(_STRETCH * 1e6 * (rows - 1) * of.step_s), "us")
    return found


def carried_forward(values: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Return the window of `rows` values that ends at each row, with what is missing carried forward in it.

    Parameters
    ----------
    values
        Shape (n, k), n >= `rows`; NaN where there is none.

    Returns
    -------
    Shape (n - rows + 1, k, rows), not to be written to; NaN where nothing comes before in the same window.
    """
    windows = sliding_window_view(values, rows, axis=0)
    missing = np.isnan(values)
    if not missing.any():
        return windows
    latest = np.maximum.accumulate(np.where(missing, -1, np.arange(len(values))[:, None]), axis=0)
    source = sliding_window_view(latest, rows, axis=0)
    in_window = source >= np.arange(len(source))[:, None, None]
    return np.where(in_window, values[source, np.arange(values.shape[1])[:, None]], np.nan)


def filled_windows(of: Window, rows: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield the windows of `rows` values of one signal that can be judged, block by block.

    A window can be judged if its last row has a value, at least half of its rows have one, and it holds no gap in
    time. What is missing is carried forward; before the first value of the window, it is that value.

    Yields
    ------
    Shape (m,), the row that each window ends at, and shape (m, rows), without NaN.
    """
    usable, values = at_hand(of, rows), of.values[:, :1]
    usable &= ~np.isnan(values[:, 0])
    for first in range(0, len(of) - rows + 1, _BLOCK):
        block = values[first : first + _BLOCK + rows - 1]
        absent = sliding_window_view(np.isnan(block[:, 0]), rows).sum(axis=1)
        kept = np.flatnonzero(usable[first + rows - 1 : first + _BLOCK + rows - 1] & (absent <= rows // 2))
        if not kept.size:
            continue
        windows = np.ascontiguousarray(carried_forward(block, rows)[kept, 0])
        known = ~np.isnan(windows)
        first_known = windows[np.arange(len(kept)), known.argmax(axis=1)]
        yield kept + first + rows - 1, np.where(known, windows, first_known[:, None])


def usual_range(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median and how far apart the usual values lie, both in the values' unit; NaN where nothing moves.

    Usual is what lies between the 1 % and the 99 % quantile. Where nearly all values are the same, it is how far
    those that differ usually lie off.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return np.nan, np.nan
    low, centre, high = np.quantile(known, (_USUAL[0], 0.5, _USUAL[1]))
    departures = np.abs(known - centre)
    departures = departures[departures > 0]
    if not departures.size:
        return float(centre), np.nan
    return float(centre), max(float(high - low), float(np.median(departures)))


def least_spread(residuals: NDArray[np.float64], values: NDArray[np.float64], share: float) -> float:
    """Return what a standard deviation may not fall below, greater than 0, in the series' unit.

    Parameters
    ----------
    residuals, values
        Any shape, without NaN; at least one each.
    share
        Of the residuals' overall standard deviation, which is taken from their 95 % quantile: a lamp that is off
        most of the day has a median deviation of 0.
    """
    outer = float(np.quantile(np.abs(residuals - np.median(residuals)), _OUTER)) / _NORMAL_OUTER
    # Half of the smallest step between two values is what the instrument itself cannot tell apart.
    steps = np.diff(np.unique(values))
    resolution = float(steps.min()) / 2 if steps.size else 0.0
    return max(share * outer + resolution, 1e-6 * float(np.median(np.abs(values))), 1e-9)
