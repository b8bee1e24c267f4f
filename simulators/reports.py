"""What the devices of departments report over MQTT, in City Vigil's own JSON: a message per asset and step."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.asset import Asset
from simulators.airtime import LONGEST_DELAY_US, report_delays_us
from simulators.city import City
from simulators.department import Department
from simulators.departments import branches_of
from simulators.encoders.cityvigil_json import encode_readings
from simulators.entry import Entry
from simulators.fault import Fault
from simulators.rhythm import DAY_US, to_datetime


class _Device(NamedTuple):
    asset: Asset
    rows: NDArray[np.int64]
    metrics: tuple[tuple[str, str], ...]


@lru_cache(maxsize=16)
def _devices(city: City, branch: int) -> tuple[_Device, ...]:
    """Return the assets of a department that measure something, and where in its values what they measure stands."""
    department = branches_of(city)[branch].department
    assets = {asset.name: asset for asset in department.assets}
    rows: dict[str, list[int]] = {}
    metrics: dict[str, list[tuple[str, str]]] = {}
    for index, one in enumerate(department.series):
        rows.setdefault(one.asset, []).append(index)
        metrics.setdefault(one.asset, []).append((one.metric, one.unit))
    return tuple(_Device(assets[name], np.array(rows[name]), tuple(metrics[name])) for name in rows)


def reports(city: City, day: int, start_us: int, end_us: int, faults: tuple[Fault, ...]) -> Iterator[Entry]:
    """Yield what a UTC day's samples make devices publish from `start_us` to below `end_us`.

    A device that lost all its samples of a moment says nothing; one that lost some of them sends null.
    """
    for number, branch in enumerate(branches_of(city)):
        yield from _of_department(city, number, branch.department, day, start_us, end_us, faults)


def _of_department(
    city: City,
    number: int,
    department: Department,
    day: int,
    start_us: int,
    end_us: int,
    faults: tuple[Fault, ...],
) -> Iterator[Entry]:
    step_us = department.step_s * 1_000_000
    begin = max((start_us - LONGEST_DELAY_US - day * DAY_US) // step_us, 0)
    stop = min(-(-(end_us - day * DAY_US) // step_us), DAY_US // step_us)
    if begin >= stop:
        return
    devices = _devices(city, number)
    values = department.values(day, faults)
    for step in range(begin, stop):
        time_us = day * DAY_US + step * step_us
        due_us = time_us + report_delays_us(city.seed, number, day, step, len(devices))
        stamp = f"{to_datetime(time_us):%Y-%m-%dT%H:%M:%SZ}"
        for index in np.flatnonzero((due_us >= start_us) & (due_us < end_us)).tolist():
            device = devices[index]
            measured = values[device.rows, step].tolist()
            if any(value == value for value in measured):  # noqa: PLR0124 - NaN alone differs from itself
                numbers = (None if value != value else value for value in measured)  # noqa: PLR0124
                parts = ((metric, value, unit) for (metric, unit), value in zip(device.metrics, numbers, strict=True))
                # Ties are settled by department, then by device.
                yield int(due_us[index]), number * 1_000_000 + index, *encode_readings(device.asset, stamp, parts)
