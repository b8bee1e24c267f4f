"""The city's past as an archive holds it: every series at 300 s, a block per UTC day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from simulators.buses import five_minutes
from simulators.city import City
from simulators.fault import Fault
from simulators.faults import check_fault
from simulators.ground import ground_values
from simulators.noise import STEPS, FloatArray
from simulators.rhythm import DAY_US, day_times_us, to_us


@dataclass(frozen=True, slots=True)
class HistoryBlock:
    """Readings of one UTC day, by time, then by series.

    Attributes
    ----------
    series_index
        Shape (n,), int32: index into the city's series.
    times
        Shape (n,), datetime64[us], UTC.
    values
        Shape (n,), float64, in the series' unit; never NaN: a missing sample has no row.
    """

    series_index: NDArray[np.int32]
    times: NDArray[np.datetime64]
    values: FloatArray


def history(city: City, start: datetime, end: datetime, faults: Sequence[Fault] = ()) -> Iterator[HistoryBlock]:
    """Yield the city's past from `start` (inclusive) to `end` (exclusive), a block per UTC day that has readings.

    What is fixed to the ground appears as it was measured. A bus appears as an archive would keep it: at time t the
    mean of its samples of the 300 s up to t for speed, acceleration, schedule offset and occupancy, and the last of
    them for position, heading, odometer and doors.

    Parameters
    ----------
    start, end
        With an offset from UTC, 1970 or later.
    faults
        What broke; they show from their start on, and not before.

    Raises
    ------
    FaultError
        If a fault does not fit the city.
    """
    for fault in faults:
        check_fault(city, fault)
    start_us, end_us = to_us(start), to_us(end)
    for day in range(start_us // DAY_US, -(-end_us // DAY_US)):
        block = _block(city, day, start_us, end_us, tuple(faults))
        if block.values.size:
            yield block


def _block(city: City, day: int, start_us: int, end_us: int, faults: tuple[Fault, ...]) -> HistoryBlock:
    times_us = day_times_us(day)
    rows = np.concatenate([_bus_rows(city, day, faults), ground_values(city, day, faults)]).T
    kept = (times_us >= start_us) & (times_us < end_us)
    step, series = np.nonzero(~np.isnan(rows) & kept[:, None])
    return HistoryBlock(series.astype(np.int32), times_us[step].astype("datetime64[us]"), rows[step, series])


def _bus_rows(city: City, day: int, faults: tuple[Fault, ...]) -> FloatArray:
    """Return the buses' rows in the order of the city's series: shape (270, 288), for 00:00 to 23:55."""
    today = five_minutes(city, day, faults)
    # What ends at midnight is yesterday's last step.
    before = five_minutes(city, day - 1, faults)[..., -1:] if day > 0 else np.full((*today.shape[:2], 1), np.nan)
    by_bus = np.concatenate([before, today[..., :-1]], axis=2).transpose(1, 0, 2)
    return by_bus.reshape(-1, STEPS)
