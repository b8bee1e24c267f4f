"""What instruments show of what is: noise, pulses, steps of resolution, gaps, and instruments that lie."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.fault import Fault, FaultKind, active, span_us
from simulators.noise import FloatArray, day_generator
from simulators.waterworks.breaks import Target, broken_sensor, identity
from simulators.waterworks.demand import persistent
from simulators.waterworks.layout import Dma

MISSING_SHARE = 0.0075
"""Of all samples."""

_PRESSURE_NOISE_M, _PRESSURE_KEPT, _PRESSURE_STEPS_M = 0.07, 0.5, (0.01, 0.05, 0.1)
_LEVEL_NOISE_M, _LEVEL_STEP_M = 0.003, 0.001
_METER_PULSE_M3, _METER_GAIN = 0.01, 0.002
_CUSTOMER_PULSES_M3, _CUSTOMER_LARGE_M3_H, _CUSTOMER_GAIN = (0.001, 0.01), 2.0, 0.008
_PUMP_FLOW_NOISE, _PUMP_POWER_NOISE, _POWER_STEP_W = 0.004, 0.006, 10.0
_CHLORINE_NOISE_MG_L, _CHLORINE_STEP_MG_L = 0.003, 0.001
_TURBIDITY_NOISE, _TURBIDITY_STEP_NTU = 0.10, 0.001

_DRIFT_PER_DAY, _DRIFT_MOST = 0.06, 0.45
_OFFSET_M = (1.5, 4.0)
_MISLEADING = frozenset({FaultKind.METER_STOPPED, FaultKind.METER_DRIFT, FaultKind.PRESSURE_OFFSET})
_LATE_H = (1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is, on a UTC day, in one DMA: each array has its steps last, and nothing is missing.

    Attributes
    ----------
    customers_m3_h
        Shape (customers, steps): what each gets.
    leakage_m3_h
        Shape (steps,): what always leaks away.
    escaping_m3_h
        Shape (steps,): what bursts and leaks let out.
    inflow_m3_h
        Shape (steps,): from the tank into the DMA; the sum of the three above.
    pumped_m3_h, power_w, running
        Shape (2, steps): of each pump.
    spilt_m3_h
        Shape (steps,): over the tank's rim.
    level_m
        Shape (steps + 1,): of the tank at each stamp, and at the day's end.
    pressures_m
        Shape (pressure sensors, steps).
    chlorine_mg_l, turbidity_ntu
        Shape (2, steps): at the tank's outlet, and at the far end.
    """

    customers_m3_h: FloatArray
    leakage_m3_h: FloatArray
    escaping_m3_h: FloatArray
    inflow_m3_h: FloatArray
    pumped_m3_h: FloatArray
    power_w: FloatArray
    running: FloatArray
    spilt_m3_h: FloatArray
    level_m: FloatArray
    pressures_m: FloatArray
    chlorine_mg_l: FloatArray
    turbidity_ntu: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Make:
    """How the instruments of a DMA are made.

    Attributes
    ----------
    pressure_step_m
        Shape (pressure sensors,): resolution of each.
    inflow_gain
        What the inflow's meter shows of what flows.
    customer_gain, customer_pulse_m3
        Shape (customers,): likewise, and what one pulse stands for.
    """

    pressure_step_m: FloatArray
    inflow_gain: float
    customer_gain: FloatArray
    customer_pulse_m3: FloatArray


@lru_cache(maxsize=1_024)
def make_of(dma: Dma) -> Make:
    """Draw how a DMA's instruments are made."""
    rng = day_generator(dma.seed, dma.purpose("make"), 0)
    gains = 1.0 + _CUSTOMER_GAIN * np.tanh(rng.standard_normal(len(dma.base_m3_h)))
    large = dma.base_m3_h > _CUSTOMER_LARGE_M3_H
    return Make(
        rng.choice(_PRESSURE_STEPS_M, len(dma.sensors)),
        1.0 + _METER_GAIN * float(np.tanh(rng.standard_normal())),
        gains,
        np.where(large, _CUSTOMER_PULSES_M3[1], _CUSTOMER_PULSES_M3[0]),
    )


def counted(flows_m3_h: FloatArray, pulse_m3: FloatArray, step_s: int, phase: FloatArray) -> FloatArray:
    """Return flows as a meter counts them: whole pulses in each interval, the remainder kept for the next.

    Parameters
    ----------
    flows_m3_h
        Shape (meters, steps).
    pulse_m3, phase
        Shape (meters,): of one pulse, and which part of one has passed at the begin, 0 to 1.

    Returns
    -------
    Shape (meters, steps): m3/h, a multiple of a pulse per interval.
    """
    hours = step_s / 3_600
    passed: FloatArray = np.floor(np.cumsum(flows_m3_h * (hours / pulse_m3)[:, None], axis=1) + phase[:, None])
    flows: FloatArray = np.round(np.diff(passed, axis=1, prepend=0.0) * (pulse_m3 / hours)[:, None], 6)
    return flows


def _stepped(values: FloatArray, step: float | FloatArray, decimals: int) -> FloatArray:
    nearest: FloatArray = np.rint(values / step) * step
    return np.maximum(nearest, 0.0).round(decimals)


def shown(dma: Dma, day: int, truth: Truth, step_s: int) -> FloatArray:
    """Return what sound instruments show of a DMA's day, before gaps.

    Returns
    -------
    Shape (series of the DMA, steps), in the order of `metrics_of`; nothing is NaN.
    """
    make = make_of(dma)
    sensors, steps = truth.pressures_m.shape
    customers = len(dma.base_m3_h)
    rng = day_generator(dma.seed, dma.purpose("instruments"), day)
    white = rng.standard_normal((13, steps))
    phase = rng.random(1 + customers)
    wander = persistent(dma.seed, dma.purpose("pressure"), day, (sensors, steps), _PRESSURE_KEPT)
    rows = np.empty((12 + sensors + customers, steps))
    inflow = truth.inflow_m3_h * make.inflow_gain * (1.0 + 0.001 * white[0])
    rows[:1] = counted(inflow[None], np.array([_METER_PULSE_M3]), step_s, phase[:1])
    noisy = truth.pressures_m + _PRESSURE_NOISE_M * wander
    rows[1 : 1 + sensors] = _stepped(noisy, make.pressure_step_m[:, None], 2)
    rows[1 + sensors] = _stepped(truth.level_m[:-1] + _LEVEL_NOISE_M * white[1], _LEVEL_STEP_M, 3)
    rows[2 + sensors : 8 + sensors] = _pumps(truth, white[2:6])
    rows[8 + sensors : 12 + sensors] = _stations(truth, white[6:10])
    metered = truth.customers_m3_h * make.customer_gain[:, None]
    rows[12 + sensors :] = counted(metered, make.customer_pulse_m3, step_s, phase[1:])
    return rows


def _pumps(truth: Truth, white: FloatArray) -> FloatArray:
    rows = np.empty((6, white.shape[1]))
    rows[0::3] = _stepped(truth.pumped_m3_h * (1.0 + _PUMP_FLOW_NOISE * white[:2]), 0.1, 1)
    rows[1::3] = _stepped(truth.power_w * (1.0 + _PUMP_POWER_NOISE * white[2:]), _POWER_STEP_W, 0)
    rows[2::3] = truth.running
    return rows


def _stations(truth: Truth, white: FloatArray) -> FloatArray:
    rows = np.empty((4, white.shape[1]))
    rows[0::2] = _stepped(truth.chlorine_mg_l + _CHLORINE_NOISE_MG_L * white[:2], _CHLORINE_STEP_MG_L, 3)
    rows[1::2] = _stepped(truth.turbidity_ntu * (1.0 + _TURBIDITY_NOISE * white[2:]), _TURBIDITY_STEP_NTU, 3)
    return rows


def gaps(dma: Dma, day: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which samples are missing on a day; shape `shape`."""
    missing: NDArray[np.bool_] = (
        day_generator(dma.seed, dma.purpose("gaps"), day).random(shape, dtype=np.float32) < MISSING_SHARE
    )
    return missing


def rows_of(dma: Dma, target: Target) -> slice:
    """Return the rows of a DMA's series that one of its assets shows."""
    sensors = len(dma.sensors)
    if target.kind == "customer_meter":
        return slice(11 + sensors + int(target.which), 12 + sensors + int(target.which))
    station = 8 + sensors + 2 * (target.which == "far")
    rows = {
        "dma": slice(0, 1 + sensors),
        "tank": slice(1 + sensors, 2 + sensors),
        "quality_station": slice(station, station + 2),
    }
    return rows[target.kind]


def late_us(fault: Fault) -> int:
    """Return by how much a wrong clock is late, in microseconds: one hour or two."""
    return _LATE_H[identity(fault) % len(_LATE_H)] * 3_600_000_000


def drift_factor(fault: Fault, times_us: NDArray[np.int64]) -> FloatArray:
    """Return which part of what flows a drifting meter shows at each time: up or down, more every day."""
    sign = 1.0 if identity(fault) % 2 else -1.0
    days = (times_us - span_us(fault)[0]) / 8.64e10
    drift = np.minimum(_DRIFT_PER_DAY * days, _DRIFT_MOST)
    return np.where(active(fault, times_us), 1.0 + sign * drift, 1.0)


def offset_m(fault: Fault) -> float:
    """Return by how much a pressure sensor is off: 1.5 to 4 m, up or down, in steps that every sensor can show."""
    number = identity(fault)
    most = round((_OFFSET_M[1] - _OFFSET_M[0]) * 10)
    size = _OFFSET_M[0] + (number // 2 % (most + 1)) / 10
    return round(size if number % 2 else -size, 1)


def mislead(dma: Dma, rows: FloatArray, stamps_us: NDArray[np.int64], fault: Fault, target: Target) -> None:
    """Let one instrument lie about its own moment, in place: stopped, drifting, or off by a constant."""
    now = active(fault, stamps_us)
    if fault.kind not in _MISLEADING or not now.any():
        return
    at = rows_of(dma, target).start
    if fault.kind is FaultKind.METER_STOPPED:
        rows[at, now] = 0.0
    elif fault.kind is FaultKind.METER_DRIFT:
        pulse = make_of(dma).customer_pulse_m3[int(target.which) - 1] if target.which else _METER_PULSE_M3
        unit = pulse * 3_600 * 1e6 / float(stamps_us[1] - stamps_us[0])
        drifted = np.round(rows[at] * drift_factor(fault, stamps_us) / unit) * unit
        rows[at, now] = np.round(drifted, 6)[now]
    elif fault.kind is FaultKind.PRESSURE_OFFSET:
        sensor = at + 1 + broken_sensor(dma, fault)
        rows[sensor, now] = np.round(np.maximum(rows[sensor, now] + offset_m(fault), 0.0), 2)


def repeating_row(dma: Dma, fault: Fault, target: Target) -> int:
    """Return the row that a stuck instrument repeats."""
    at: int = rows_of(dma, target).start
    return at + 1 + broken_sensor(dma, fault) if fault.kind is FaultKind.PRESSURE_STUCK else at
