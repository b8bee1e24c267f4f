"""The water zone: a tank feeds a district metered area (DMA) by gravity, works fill the tank at a steady rate."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.calendar import Calendar
from simulators.city import PRESSURE_SENSORS, City
from simulators.fault import Fault, FaultKind, active, span_us
from simulators.noise import STEP_S, STEPS, FloatArray, autoregressive, day_generator
from simulators.rhythm import DAY_US, day_times_us, local_day, to_datetime, water_demand

MEAN_FLOW_M3_H = 80.0
TANK_AREA_M2 = 130.0
STEP_H = STEP_S / 3_600

_TANK_MEAN_M = 3.0
_TANK_DAY_TO_DAY_M = 0.12
_TANK_FULL_M = 6.0
_TANK_RECOVERS_H = 12.0  # the works make up for what a burst takes with this time constant

_STATIC_HEAD_M = np.array([62.0, 60.5, 58.0, 59.5, 55.0, 57.0])
_HEAD_LOSS = np.array([1.5, 2.4, 3.3, 4.2, 5.4, 6.6]) * 1e-4  # m per (m3/h)², growing with the distance from the tank
_LOCAL_HEAD_LOSS = 3.0e-3  # m per (m3/h)² of what leaves through a break, beside it
_LOCAL_REACH = 1.2  # sensors; how far along the zone a break is felt

_BURST_SHARE = 0.45  # of the mean flow
_LEAK_SHARE = 0.22
_LEAK_GROWS_S = 86_400.0


@dataclass(frozen=True, slots=True)
class WaterDay:
    """The zone on one UTC day without faults, every 300 s from midnight.

    Attributes
    ----------
    flow
        Shape (288,): inflow of the DMA, m3/h.
    level
        Shape (288,): true level of the tank, m.
    supply
        What the works pump into the tank all day, m3/h.
    """

    flow: FloatArray
    level: FloatArray
    supply: float


def _midnight_level(seed: int, day: int) -> float:
    return _TANK_MEAN_M + _TANK_DAY_TO_DAY_M * float(np.tanh(day_generator(seed, "tank", day).standard_normal()))


@lru_cache(maxsize=64)
def water_day(seed: int, calendar: Calendar, day: int) -> WaterDay:
    """Return the zone on a UTC day without faults.

    The works are set so that the tank reaches the next midnight at that midnight's level, which keeps it within
    bounds and its curve without a seam.
    """
    season = 1.0 + 0.06 * np.cos(2 * np.pi * (to_datetime(day * DAY_US).timetuple().tm_yday - 200) / 365.25)
    noise = autoregressive(seed, "demand", day, 1, 0.9)[0]
    demand = water_demand(local_day(calendar, day)) * season * (1.0 + 0.025 * noise)
    flow = MEAN_FLOW_M3_H * demand[:STEPS]
    begin_m, end_m = _midnight_level(seed, day), _midnight_level(seed, day + 1)
    supply = float(flow.mean() + (end_m - begin_m) * TANK_AREA_M2 / 24.0)
    change = np.cumsum(supply - flow) * STEP_H / TANK_AREA_M2
    level = begin_m + np.concatenate([[0.0], change[:-1]])
    return WaterDay(flow, level, supply)


def leaking_m3_h(fault: Fault, times_us: NDArray[np.int64]) -> FloatArray:
    """Return what a burst or a leak lets out at each time, in m3/h; 0 for other faults and outside its span."""
    open_ = active(fault, times_us)
    if fault.kind is FaultKind.BURST:
        return np.where(open_, _BURST_SHARE * MEAN_FLOW_M3_H * fault.magnitude, 0.0)
    if fault.kind is FaultKind.BACKGROUND_LEAK:
        grown = np.clip((times_us - span_us(fault)[0]) / 1e6 / _LEAK_GROWS_S, 0.0, 1.0)
        return np.where(open_, _LEAK_SHARE * MEAN_FLOW_M3_H * fault.magnitude * grown, 0.0)
    return np.zeros(times_us.shape)


def chosen_sensor(fault: Fault) -> int:
    """Return which pressure sensor (from 0) is stuck, or is nearest to the burst or leak."""
    name = f"{fault.kind}/{fault.asset}/{span_us(fault)[0]}"
    return zlib.crc32(name.encode()) % PRESSURE_SENSORS


@lru_cache(maxsize=256)
def _drained_m(fault: Fault, day: int) -> FloatArray:
    """Return how far a fault has lowered the tank at each stamp of a day, in m."""
    # The tank forgets: what was lost ten days ago has been made up for to a millionth of a millimetre.
    first_day = max(span_us(fault)[0] // DAY_US, day - 10)
    kept = 1.0 - STEP_H / _TANK_RECOVERS_H
    lowered, drop = np.zeros(STEPS), 0.0
    for each_day in range(first_day, day + 1):
        lost = leaking_m3_h(fault, day_times_us(each_day)) * STEP_H / TANK_AREA_M2
        for step in range(STEPS):
            lowered[step] = drop
            drop = drop * kept + lost[step]
    return lowered


def _pressures(seed: int, day: int, flow: FloatArray, level: FloatArray, leaks: Iterable[Fault]) -> FloatArray:
    head: FloatArray = _STATIC_HEAD_M[:, None] + (level - _TANK_MEAN_M) - _HEAD_LOSS[:, None] * flow**2
    sensors = np.arange(PRESSURE_SENSORS, dtype=np.float64)
    for fault in leaks:
        near = np.exp(-np.abs(sensors - chosen_sensor(fault)) / _LOCAL_REACH)
        head = head - _LOCAL_HEAD_LOSS * near[:, None] * leaking_m3_h(fault, day_times_us(day)) ** 2
    noise = autoregressive(seed, "pressure", day, PRESSURE_SENSORS, 0.8)[:, :STEPS]
    return np.clip(np.round(head + 0.12 * noise, 2), 0.0, None)


def _leaks_until(faults: Iterable[Fault], day: int) -> tuple[Fault, ...]:
    kinds = {FaultKind.BURST, FaultKind.BACKGROUND_LEAK}
    return tuple(fault for fault in faults if fault.kind in kinds and span_us(fault)[0] < (day + 1) * DAY_US)


def water_values(city: City, day: int, faults: tuple[Fault, ...] = ()) -> FloatArray:
    """Return what the zone's sensors say on a UTC day, nothing missing.

    Returns
    -------
    Shape (8, 288): inflow in m3/h, six pressures in m[H2O], tank level in m; rounded as the sensors do.
    """
    nominal = water_day(city.seed, city.calendar, day)
    leaks = _leaks_until(faults, day)
    times_us = day_times_us(day)
    flow = nominal.flow + sum((leaking_m3_h(fault, times_us) for fault in leaks), np.zeros(STEPS))
    drained = sum((_drained_m(fault, day) for fault in leaks), np.zeros(STEPS))
    level = np.clip(nominal.level - drained, 0.0, _TANK_FULL_M)
    pressures = _pressures(city.seed, day, flow, level, leaks)
    ripple = 0.0015 * day_generator(city.seed, "level", day).standard_normal(STEPS)
    for fault in faults:
        if fault.kind is FaultKind.PRESSURE_STUCK:
            _hold(pressures, city, day, fault, faults)
    seen_level = np.round(np.maximum(level + ripple, 0.0), 3)
    return np.concatenate([np.round(flow, 1)[None], pressures, seen_level[None]])


def _hold(pressures: FloatArray, city: City, day: int, fault: Fault, faults: tuple[Fault, ...]) -> None:
    """Make one sensor repeat, in place, what it last said before the fault."""
    stuck = active(fault, day_times_us(day))
    if not stuck.any():
        return
    sensor = chosen_sensor(fault)
    last_day, last_step = divmod(max(span_us(fault)[0] - 1, 0) // (STEP_S * 1_000_000), STEPS)
    others = tuple(other for other in faults if other is not fault)
    pressures[sensor, stuck] = water_values(city, last_day, others)[1 + sensor, last_step]
