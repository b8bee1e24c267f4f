"""Where a time axis has its marks, and what they say."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_MOST = 6
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STEPS_S = (
    1, 5, 15, 30, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR,
    _DAY, 2 * _DAY, 3 * _DAY, 5 * _DAY, 10 * _DAY,
)  # fmt: skip


def marks(first: pd.Timestamp, last: pd.Timestamp) -> tuple[NDArray[np.datetime64], list[str]]:
    """Return up to about six round times from `first` to `last`, evenly apart, and their labels."""
    seconds = (last - first).total_seconds()
    step_s = next((step for step in _STEPS_S if seconds / step <= _MOST), None)
    if step_s is None:
        months = pd.date_range(first.normalize(), last, freq="MS")
        months = months[months >= first]
        return _with_labels(months[:: -(-len(months) // _MOST) or 1], "%b")
    step = pd.Timedelta(seconds=step_s)
    times = pd.date_range(first.ceil(step), last, freq=step)
    return _with_labels(times, "%d %b" if step_s >= _DAY else "%H:%M" if step_s >= _MINUTE else "%H:%M:%S")


def _with_labels(times: pd.DatetimeIndex, form: str) -> tuple[NDArray[np.datetime64], list[str]]:
    # A new day is told where hours are.
    by_day = form.startswith("%H")
    labels = [f"{time:%d %b}" if by_day and time == time.normalize() else time.strftime(form) for time in times]
    return times.to_numpy(), labels
