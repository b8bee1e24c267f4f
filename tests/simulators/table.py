"""History as one table per series, for tests."""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from simulators.city import City
from simulators.fault import Fault
from simulators.history import history

MONDAY = datetime(2026, 11, 9, tzinfo=UTC)
SATURDAY = MONDAY + timedelta(days=5)
MONDAY_DAY = (MONDAY - datetime(1970, 1, 1, tzinfo=UTC)).days


def table(
    city: City, start: datetime, end: datetime, faults: tuple[Fault, ...] = ()
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return each series, by asset and metric, on the full 300 s grid from `start` on; NaN where a row is missing."""
    steps = int((end - start) / timedelta(minutes=5))
    grid = np.full((len(city.series), steps), np.nan)
    origin = np.datetime64(start.replace(tzinfo=None), "us")
    for block in history(city, start, end, faults):
        column = (block.times - origin) // np.timedelta64(300, "s")
        grid[block.series_index, column] = block.values
    return {(one.asset, one.metric): grid[index] for index, one in enumerate(city.series)}
