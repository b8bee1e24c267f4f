"""The city's past as an archive holds it: every series at its department's step, blocks of a UTC day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.city import City
from simulators.department import Department
from simulators.departments import branches_of
from simulators.fault import Fault
from simulators.faults import check_fault
from simulators.noise import FloatArray
from simulators.rhythm import DAY_US, to_us


@dataclass(frozen=True, slots=True)
class HistoryBlock:
    """Readings of one UTC day of all departments that share a step, by time, then by series.

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


class _Paced(NamedTuple):
    """Departments with the same step, and the index of each one's first series."""

    step_s: int
    departments: list[tuple[int, Department]]


def history(city: City, start: datetime, end: datetime, faults: Sequence[Fault] = ()) -> Iterator[HistoryBlock]:
    """Yield the city's past from `start` (inclusive) to `end` (exclusive), a block per UTC day and step.

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
    paced = _by_step(city)
    for day in range(start_us // DAY_US, -(-end_us // DAY_US)):
        for pace in paced:
            block = _block(pace, day, start_us, end_us, tuple(faults))
            if block.values.size:
                yield block


def _by_step(city: City) -> list[_Paced]:
    found: dict[int, _Paced] = {}
    first = 0
    for department, _, _ in branches_of(city):
        found.setdefault(department.step_s, _Paced(department.step_s, [])).departments.append((first, department))
        first += len(department.series)
    return list(found.values())


def _block(pace: _Paced, day: int, start_us: int, end_us: int, faults: tuple[Fault, ...]) -> HistoryBlock:
    step_us = pace.step_s * 1_000_000
    times_us = day * DAY_US + np.arange(DAY_US // step_us, dtype=np.int64) * step_us
    kept = np.flatnonzero((times_us >= start_us) & (times_us < end_us))
    parts = [department.values(day, faults) for _, department in pace.departments]
    numbers = np.concatenate(
        [first + np.arange(len(part)) for (first, _), part in zip(pace.departments, parts, strict=True)]
    )
    # Step by step in memory, as readings are stored: reading columns of a wide array costs several times as much.
    rows = np.concatenate([np.ascontiguousarray(part.T[kept]) for part in parts], axis=1)
    step, column = np.nonzero(~np.isnan(rows))
    return HistoryBlock(
        numbers[column].astype(np.int32), times_us[kept][step].astype("datetime64[us]"), rows[step, column]
    )
