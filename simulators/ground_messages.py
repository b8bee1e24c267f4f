"""Messages of what is fixed to the ground, in City Vigil's own JSON."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from core.asset import Asset
from simulators.airtime import ground_delays_us
from simulators.city import City
from simulators.encoders.cityvigil_json import encode_readings
from simulators.entry import Entry
from simulators.fault import Fault
from simulators.ground import first_ground_series, ground_values
from simulators.rhythm import day_times_us, to_datetime

_TIE_RANK = 1_000  # behind all buses


class _Device(NamedTuple):
    asset: Asset
    rows: slice
    metrics: tuple[tuple[str, str], ...]


@lru_cache(maxsize=4)
def _devices(city: City) -> tuple[_Device, ...]:
    assets = {asset.name: asset for asset in city.assets}
    series = city.series[first_ground_series(city) :]
    devices: list[_Device] = []
    for name in dict.fromkeys(one.asset for one in series):
        own = [index for index, one in enumerate(series) if one.asset == name]
        metrics = tuple((series[index].metric, series[index].unit) for index in own)
        devices.append(_Device(assets[name], slice(own[0], own[-1] + 1), metrics))
    return tuple(devices)


def ground_messages(city: City, day: int, start_us: int, end_us: int, faults: tuple[Fault, ...]) -> Iterator[Entry]:
    """Yield what devices on the ground measure on a UTC day and publish from `start_us` to below `end_us`.

    A device that lost all its samples of a moment says nothing; one that lost some of them sends null.
    """
    devices = _devices(city)
    times_us = day_times_us(day)
    due_us = times_us + ground_delays_us(city.seed, day, len(devices))
    chosen, steps = np.nonzero((due_us >= start_us) & (due_us < end_us))
    if chosen.size == 0:
        return
    values = ground_values(city, day, faults)
    for index, step in zip(chosen.tolist(), steps.tolist(), strict=True):
        device = devices[index]
        measured = values[device.rows, step]
        present = ~np.isnan(measured)
        if present.any():
            numbers = [value if there else None for value, there in zip(measured.tolist(), present, strict=True)]
            time = f"{to_datetime(int(times_us[step])):%Y-%m-%dT%H:%M:%SZ}"
            readings = ((metric, number, unit) for (metric, unit), number in zip(device.metrics, numbers, strict=True))
            yield int(due_us[index, step]), _TIE_RANK + index, *encode_readings(device.asset, time, readings)
