"""What the buses report: 30 vehicles, a sample every 5 s, vectorised by the UTC day; and what faults make of it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.calendar import Calendar
from simulators.city import BUS_INTERVAL_S, BUS_METRICS, City
from simulators.fault import Fault, FaultKind, active, span_us
from simulators.network import FLEET, METRES_PER_DEGREE
from simulators.noise import STEP_S, STEPS, FloatArray, day_generator
from simulators.rhythm import DAY_US
from simulators.timetable import (
    DAY_S,
    IntArray,
    nominal_progress,
    occupancy_level,
    sample_phase_us,
    scheduled_progress,
    state,
)

SAMPLES = DAY_S // BUS_INTERVAL_S
SAMPLES_PER_STEP = STEP_S // BUS_INTERVAL_S
LATITUDE, LONGITUDE, SPEED, HEADING, ACCELERATION, OFFSET, ODOMETER, DOOR, OCCUPANCY = range(len(BUS_METRICS))

_MISSING_SHARE = 0.01
_GPS_NORTH_DEG = 1.4 / METRES_PER_DEGREE
_GPS_EAST_DEG = 2.0 / METRES_PER_DEGREE  # the same 1.4 m: a degree of longitude is shorter
_INTERVAL_US = BUS_INTERVAL_S * 1_000_000
_DECIMALS = (6, 6, 2, 0, 2, 0, 0, 0, 0)
_BUS_FAULTS = frozenset({FaultKind.BUS_BREAKDOWN, FaultKind.GPS_FREEZE})
_NODES_S = np.arange(STEPS + 1) * float(STEP_S)
_NAMES = {vehicle.name: index for index, vehicle in enumerate(FLEET)}


@dataclass(frozen=True, slots=True)
class BusSamples:
    """What all buses report in a part of one UTC day of n samples.

    Attributes
    ----------
    times_us
        Shape (30, n): microseconds since 1970-01-01 UTC.
    values
        Shape (9, 30, n): metrics in the order of `BUS_METRICS`, rounded as the vehicles' computers do.
    progress
        Shape (30, n): seconds since midnight of the timetable.
    sent
        Shape (30, n): False for a sample that went missing.
    """

    times_us: IntArray
    values: FloatArray
    progress: FloatArray
    sent: NDArray[np.bool_]

    def part(self, begin: int, end: int) -> "BusSamples":
        """Return samples `begin` to below `end`; values and progress are copies."""
        at = slice(begin, end)
        return BusSamples(
            self.times_us[:, at], self.values[:, :, at].copy(), self.progress[:, at].copy(), self.sent[:, at]
        )


def _spread(nodes: FloatArray, part: FloatArray) -> FloatArray:
    """Interpolate nodes of shape (…, 289) at `part` of each step, shape (30, 1, 60): shape (30, 288, 60)."""
    return nodes[..., :-1, None] + np.diff(nodes)[..., None] * part


def _round(values: FloatArray) -> None:
    """Give each metric, in place, the resolution of its sensor."""
    for metric, decimals in enumerate(_DECIMALS):
        np.round(values[metric], decimals, out=values[metric])
    values[HEADING] %= 360.0
    values += 0.0  # turns -0 into 0


@lru_cache(maxsize=2)
def nominal_samples(seed: int, calendar: Calendar, day: int) -> BusSamples:
    """Return what all buses report on a UTC day without faults; 45 MB, read-only."""
    phase_us = sample_phase_us(seed)
    within_us = phase_us[:, None] + np.arange(SAMPLES, dtype=np.int64) * _INTERVAL_US
    part = (within_us[:, :SAMPLES_PER_STEP] / (STEP_S * 1e6))[:, None, :]
    nodes = nominal_progress(seed, calendar, day)
    progress = _spread(nodes, part)
    pace = (np.diff(nodes) / STEP_S)[:, :, None]
    level = occupancy_level(seed, calendar, day)[:, :, None]
    values = np.stack(state(np.arange(len(FLEET))[:, None, None], progress, pace, level))
    values[OFFSET] = progress - _spread(scheduled_progress(calendar, day), part)
    values = values.reshape(len(BUS_METRICS), len(FLEET), SAMPLES)
    _add_noise(values, seed, day)
    _round(values)
    sent = day_generator(seed, "unsent", day).random((len(FLEET), SAMPLES), dtype=np.float32) >= _MISSING_SHARE
    samples = BusSamples(day * DAY_US + within_us, values, progress.reshape(len(FLEET), SAMPLES), sent)
    for array in (samples.times_us, values, samples.progress, sent):
        array.flags.writeable = False
    return samples


def _add_noise(values: FloatArray, seed: int, day: int) -> None:
    rng = day_generator(seed, "sensors", day)
    noise = rng.standard_normal((2, *values.shape[1:]))
    values[LATITUDE] += _GPS_NORTH_DEG * noise[0]
    values[LONGITUDE] += _GPS_EAST_DEG * noise[1]
    # A wheel that stands still says 0 exactly; only what turns is measured with an error.
    rough = rng.standard_normal(values.shape[1:], dtype=np.float32)
    values[SPEED] *= 1.0 + 0.01 * rough
    values[ACCELERATION] += 0.04 * rough * (values[SPEED] > 0.0)


def bus_samples(city: City, day: int, begin: int, end: int, faults: tuple[Fault, ...] = ()) -> BusSamples:
    """Return what all buses report in samples `begin` to below `end` of a UTC day.

    Parameters
    ----------
    faults
        Those that do not concern buses are ignored. Breakdowns go before frozen positions: a bus that stands still
        may also have lost its satellites.
    """
    nominal = nominal_samples(city.seed, city.calendar, day)
    relevant = _relevant(faults, day)
    samples = nominal.part(begin, end)
    for fault in relevant:
        if fault.kind is FaultKind.BUS_BREAKDOWN:
            _break_down(samples, city, day, begin, fault)
    for fault in relevant:
        if fault.kind is FaultKind.GPS_FREEZE:
            _freeze_position(samples, city, fault, tuple(other for other in faults if other is not fault))
    return samples


def _relevant(faults: tuple[Fault, ...], day: int) -> tuple[Fault, ...]:
    begin_us, end_us = day * DAY_US, (day + 1) * DAY_US
    spans = ((fault, *span_us(fault)) for fault in faults if fault.kind in _BUS_FAULTS)
    return tuple(fault for fault, start_us, stop_us in spans if start_us < end_us and stop_us > begin_us)


def progress_at(city: City, bus: int, time_us: int) -> tuple[int, float]:
    """Return the UTC day of a time, and how far a bus without faults is by then, in s since its midnight."""
    day, within_us = divmod(time_us, DAY_US)
    nodes = nominal_progress(city.seed, city.calendar, day)[bus]
    return day, float(np.interp(within_us / 1e6, _NODES_S, nodes))


def _break_down(samples: BusSamples, city: City, day: int, begin: int, fault: Fault) -> None:
    """Let a bus stand, in place, where it was when the fault began."""
    bus = _NAMES[fault.asset]
    broken = np.flatnonzero(active(fault, samples.times_us[bus]))
    if broken.size == 0:
        return
    start_day, stuck_at = progress_at(city, bus, span_us(fault)[0])
    progress = np.full(broken.size, stuck_at - (day - start_day) * float(DAY_S))
    within_s = (samples.times_us[bus, broken] - day * DAY_US) / 1e6
    level = occupancy_level(city.seed, city.calendar, day)[bus][(within_s // STEP_S).astype(np.int64)]
    values = np.stack(state(np.full(broken.size, bus), progress, np.zeros(1), level))
    scheduled = scheduled_progress(city.calendar, day)
    values[OFFSET] = progress - np.interp(within_s, _NODES_S, scheduled)
    values[DOOR] = 0.0
    # Its receiver goes on to wander by a metre or two, as that of any standing bus does.
    noise = day_generator(city.seed, f"standing/{bus}", day).standard_normal((2, SAMPLES))[:, begin + broken]
    values[LATITUDE] += _GPS_NORTH_DEG * noise[0]
    values[LONGITUDE] += _GPS_EAST_DEG * noise[1]
    _round(values)
    samples.values[:, bus, broken] = values
    samples.progress[bus, broken] = progress


def _freeze_position(samples: BusSamples, city: City, fault: Fault, others: tuple[Fault, ...]) -> None:
    """Repeat, in place, the last position that a bus measured before the fault."""
    bus = _NAMES[fault.asset]
    frozen = active(fault, samples.times_us[bus])
    if frozen.any():
        samples.values[[LATITUDE, LONGITUDE], bus] = np.where(
            frozen, held_position(city, bus, fault, others)[:, None], samples.values[[LATITUDE, LONGITUDE], bus]
        )


def held_position(city: City, bus: int, fault: Fault, others: tuple[Fault, ...] = ()) -> FloatArray:
    """Return the latitude and longitude that a frozen receiver repeats: shape (2,), deg."""
    return _held_position(city, bus, span_us(fault)[0], tuple(other for other in others if other.asset == fault.asset))


@lru_cache(maxsize=256)
def _held_position(city: City, bus: int, start_us: int, others: tuple[Fault, ...]) -> FloatArray:
    # The last sample strictly before the start; it may be of the day before.
    last = (start_us - int(sample_phase_us(city.seed)[bus]) - 1) // _INTERVAL_US
    day, sample = divmod(max(last, 0), SAMPLES)
    return bus_samples(city, day, sample, sample + 1, others).values[[LATITUDE, LONGITUDE], bus, 0]


def call_values(
    city: City, day: int, buses: IntArray, times_us: IntArray, progress: FloatArray, faults: tuple[Fault, ...]
) -> FloatArray:
    """Return what buses report when they call at stops.

    Parameters
    ----------
    buses, times_us, progress
        Shape (n,): index into the fleet, microseconds since 1970-01-01 UTC on this day, seconds since midnight of
        the timetable.

    Returns
    -------
    Shape (9, n), as `BusSamples.values`; without the receiver's noise.
    """
    within_s = (times_us - day * DAY_US) / 1e6
    level = occupancy_level(city.seed, city.calendar, day)[buses, (within_s // STEP_S).astype(np.int64)]
    values = np.stack(state(buses, progress, np.zeros(1), level))
    values[ACCELERATION] = 0.0
    values[OFFSET] = progress - np.interp(within_s, _NODES_S, scheduled_progress(city.calendar, day))
    _round(values)
    for fault in faults:
        if fault.kind is FaultKind.GPS_FREEZE:
            bus = _NAMES[fault.asset]
            frozen = (buses == bus) & active(fault, times_us)
            if frozen.any():
                others = tuple(other for other in faults if other is not fault)
                values[[LATITUDE, LONGITUDE]] = np.where(
                    frozen, held_position(city, bus, fault, others)[:, None], values[[LATITUDE, LONGITUDE]]
                )
    return values


def five_minutes(city: City, day: int, faults: tuple[Fault, ...] = ()) -> FloatArray:
    """Return what an archive keeps of the buses: one row for each 300 s of a UTC day.

    Returns
    -------
    Shape (9, 30, 288): the mean of speed, acceleration, schedule offset and occupancy, and the last of the others,
    over the samples sent after the step's beginning up to its end; NaN where none was sent.
    """
    return _five_minutes(city, day, _relevant(faults, day))


@lru_cache(maxsize=4)
def _five_minutes(city: City, day: int, faults: tuple[Fault, ...]) -> FloatArray:
    samples = bus_samples(city, day, 0, SAMPLES, faults) if faults else nominal_samples(city.seed, city.calendar, day)
    shape = (len(FLEET), STEPS, SAMPLES_PER_STEP)
    values = samples.values.reshape(len(BUS_METRICS), *shape)
    sent = samples.sent.reshape(shape)
    last = SAMPLES_PER_STEP - 1 - np.argmax(sent[:, :, ::-1], axis=2)
    result = np.take_along_axis(values, last[None, :, :, None], axis=3)[..., 0]
    counted = np.where(sent, 1.0, 0.0)
    number = np.maximum(counted.sum(axis=2), 1.0)
    for metric in (SPEED, ACCELERATION, OFFSET, OCCUPANCY):
        result[metric] = np.einsum("bst,bst->bs", values[metric], counted) / number
    result[:, ~sent.any(axis=2)] = np.nan
    result.flags.writeable = False
    return result
