"""From rows as a file has them to rows as they happened: in order of time, each time once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cli.evaluation.dataset import Table


@dataclass(frozen=True, slots=True)
class Ordered:
    """Rows in order of time.

    Attributes
    ----------
    times
        Shape (m,), strictly ascending.
    values
        Shape (m, k).
    place
        Shape (n,): for each row of the file, which of the m rows it is.
    out_of_order
        Rows of the file whose time lies before that of an earlier row.
    duplicates, conflicts
        Rows that repeat the time of another with the same values, or with others. The first stays, as for readings
        that arrive.
    """

    times: NDArray[np.datetime64]
    values: NDArray[np.float64]
    place: NDArray[np.int64]
    out_of_order: int
    duplicates: int
    conflicts: int


def in_time_order(table: Table) -> Ordered:
    """Put the rows of a file in order."""
    times = table.times
    if not len(times):
        return Ordered(times, table.values, np.zeros(0, dtype=np.int64), 0, 0, 0)
    order = np.argsort(times, kind="stable")
    new = np.r_[True, np.diff(times[order]) > np.timedelta64(0)]
    number = np.cumsum(new) - 1
    place = np.empty(len(times), dtype=np.int64)
    place[order] = number
    kept = order[new]
    repeats = np.setdiff1d(np.arange(len(times)), kept)
    first = kept[place[repeats]]
    same = np.isclose(table.values[repeats], table.values[first], rtol=0, atol=0, equal_nan=True).all(axis=1)
    latest = np.maximum.accumulate(times)
    late = int((times[1:] < latest[:-1]).sum())
    return Ordered(times[kept], table.values[kept], place, late, int(same.sum()), int((~same).sum()))
