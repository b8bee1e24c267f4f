"""What vehicles report of themselves, and what faults of vehicles make of it.

A sample carries its stamp: where the vehicle is then, and its mean speed over the step that ends there.
"""

import zlib
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.fault import Fault, FaultKind, active, span_us
from simulators.noise import FloatArray, day_generator
from simulators.rhythm import DAY_US
from simulators.traffic.breaks import lines_hit, within
from simulators.traffic.hours import service_days
from simulators.traffic.service import SERVICE_FAULTS, changed_service, usual_service
from simulators.traffic.streets import METRES_PER_DEGREE, IntArray
from simulators.traffic.town import VEHICLE_METRICS, Town
from simulators.traffic.tracks import Moments, Tracks

LATITUDE, LONGITUDE, SPEED, OFFSET, OCCUPANCY, ODOMETER = range(len(VEHICLE_METRICS))
_DECIMALS = (5, 5, 1, 0, 0, 0)

_BLOCK = 256  # vehicles
_MISSING_SHARE = 0.01
_GPS_M = 2.5
_LATE_US = 60_000_000
_LEARNER_M_S, _LEARNER_OFFSET_S = 6.0, 5_400.0
_JUMP_SHARE, _JUMP_DEG = 0.6, 0.05
_MOVES = frozenset({FaultKind.BUS_BREAKDOWN, FaultKind.FEED_LATE})
_CLAIMS = (FaultKind.PRACTICE_RUN,)
_RECEIVER = frozenset({FaultKind.GPS_FREEZE, FaultKind.GPS_JUMP})
VEHICLE_FAULTS = _MOVES | _RECEIVER | set(_CLAIMS)
"""Kinds that befall one vehicle."""


def _stamps_us(day: int, step_s: int) -> NDArray[np.int64]:
    return day * DAY_US + np.arange(86_400 // step_s, dtype=np.int64) * (step_s * 1_000_000)


def moments(town: Town, vehicles: IntArray, times_us: NDArray[np.int64], faults: tuple[Fault, ...]) -> Moments:
    """Return where vehicles are and what they do, without the receiver's and other instruments' noise.

    Parameters
    ----------
    vehicles
        Shape (v,): numbers in the department, in order.
    times_us
        Shape (n,) or (v, n): microseconds since 1970-01-01 UTC.
    faults
        Traffic, detours and breakdowns count, the latter only for who drives the trips.

    Returns
    -------
    Arrays of shape (v, n).
    """
    times = np.broadcast_to(times_us, (vehicles.size, times_us.shape[-1]))
    found = Moments(*(np.full(times.shape, np.nan) for _ in range(7)))
    for day in service_days(town.calendar, int(times.min()), int(times.max()) + 1):
        changed = changed_service(town, day, faults)
        other = np.zeros(vehicles.size, dtype=np.bool_)
        if changed is not None:
            other = np.isin(vehicles // town.lines.fleet, changed.which)
            _fill(found, changed.tracks, vehicles, np.flatnonzero(other), times, (day.start_us, day.end_us))
        if not other.all():
            rows = np.flatnonzero(~other)
            _fill(found, usual_service(town, day).tracks, vehicles, rows, times, (day.start_us, day.end_us))
    return found


def _fill(
    found: Moments,
    tracks: Tracks,
    vehicles: IntArray,
    rows: IntArray,
    times: NDArray[np.int64],
    span: tuple[int, int],
) -> None:
    """Enter what some vehicles do in one service day, in place."""
    at = np.searchsorted(tracks.vehicles, vehicles[rows])
    mine = (times[rows] >= span[0]) & (times[rows] < span[1])
    row, column = np.nonzero(mine)
    part = tracks.at(at[row], (times[rows[row], column] - span[0]) / 1e6)
    for name in Moments.__slots__:
        getattr(found, name)[rows[row], column] = getattr(part, name)


def _stopped(times_us: NDArray[np.int64], faults: tuple[Fault, ...]) -> NDArray[np.int64]:
    """Return the time as which each time counts for a vehicle: its breakdown's begin while it is broken."""
    stopped = times_us.copy()
    for fault in faults:
        stopped[active(fault, stopped)] = span_us(fault)[0]
    return stopped


def _claimed_us(
    town: Town, vehicles: IntArray, stamps_us: NDArray[np.int64], back_us: int, faults: tuple[Fault, ...]
) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the time of which each sample tells, and the seconds that a broken vehicle has stood then."""
    times = np.repeat(stamps_us[None], vehicles.size, axis=0)
    stood = np.zeros(times.shape)
    for row, vehicle in enumerate(vehicles.tolist()):
        mine = tuple(one for one in faults if town.index[one.asset] == ("vehicle", vehicle))
        late = np.logical_or.reduce(
            [active(one, stamps_us) for one in mine if one.kind is FaultKind.FEED_LATE]
            or [np.zeros(stamps_us.shape, dtype=np.bool_)]
        )
        told = stamps_us - late * _LATE_US - back_us
        stopped = _stopped(told, tuple(one for one in mine if one.kind is FaultKind.BUS_BREAKDOWN))
        times[row], stood[row] = stopped, (told - stopped) / 1e6
    return times, stood


def trajectory(town: Town, vehicles: IntArray, times_us: NDArray[np.int64], faults: tuple[Fault, ...]) -> Moments:
    """Return where vehicles truly are; as `moments`, and a broken vehicle stands."""
    broken = tuple(one for one in faults if one.kind is FaultKind.BUS_BREAKDOWN)
    times, stood = _claimed_us(town, vehicles, times_us, 0, broken)
    found = moments(town, vehicles, times, faults)
    speed = np.where(stood > 0.0, np.minimum(found.speed, 0.0), found.speed)
    return replace(found, speed=speed, schedule_offset=found.schedule_offset - stood)


def _true(
    town: Town, vehicles: IntArray, stamps_us: NDArray[np.int64], step_s: int, faults: tuple[Fault, ...]
) -> FloatArray:
    """Return what some vehicles do, in the order of `VEHICLE_METRICS`; shape (v, 6, n)."""
    times, stood = _claimed_us(town, vehicles, stamps_us, 0, faults)
    before, _ = _claimed_us(town, vehicles, stamps_us, step_s * 1_000_000, faults)
    now = moments(town, vehicles, times, faults)
    driven = now.driven - moments(town, vehicles, before, faults).driven
    # Who was not in service a step ago has the speed of the moment.
    speed = np.where(np.isnan(driven), now.speed, np.maximum(driven, 0.0) / step_s)
    values = np.stack(
        [now.latitude, now.longitude, speed, now.schedule_offset - stood, now.occupancy, now.odometer], axis=1
    )
    values[:, OCCUPANCY] = np.where(stood > 0.0, 0.0, values[:, OCCUPANCY])
    for fault in faults:
        if fault.kind in _CLAIMS and town.index[fault.asset][1] in vehicles:
            row = int(np.searchsorted(vehicles, town.index[fault.asset][1]))
            _practise(town, values[row], stamps_us, fault)
    return values


def _practise(town: Town, values: FloatArray, stamps_us: NDArray[np.int64], fault: Fault) -> None:
    """Let a vehicle go up and down its line without stops and timetable, in place; values of shape (6, n)."""
    now = active(fault, stamps_us)
    lines, line = town.lines, town.index[fault.asset][1] // town.lines.fleet
    reached = np.concatenate([[0.0], np.cumsum(lines.link_m[line, 0])])
    seconds = (stamps_us[now] - span_us(fault)[0]) / 1e6
    along = np.abs((seconds * _LEARNER_M_S + reached[-1]) % (2 * reached[-1]) - reached[-1])
    values[LATITUDE, now] = np.interp(along, reached, lines.latitude[line, 0, 0])
    values[LONGITUDE, now] = np.interp(along, reached, lines.longitude[line, 0, 0])
    values[SPEED, now], values[OCCUPANCY, now] = _LEARNER_M_S, 0.0
    values[ODOMETER, now] = seconds * _LEARNER_M_S
    rng = np.random.default_rng(zlib.crc32(f"{fault.asset}/{span_us(fault)[0]}".encode()))
    wave = np.sin(2 * np.pi * (seconds / 2_900.0 + rng.random()))
    values[OFFSET, now] = _LEARNER_OFFSET_S * np.where(wave >= 0.0, 0.5 + wave / 2, wave / 2 - 0.5)


@lru_cache(maxsize=2)
def _noise(town: Town, day: int, step_s: int) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the receivers' errors in metres, shape (vehicles, 2, n), and which samples go missing, (vehicles, n)."""
    shape = (len(town.vehicle_names), 86_400 // step_s)
    rng = day_generator(town.seed, "vehicle receivers", day)
    error = _GPS_M * rng.standard_normal((shape[0], 2, shape[1]), dtype=np.float32).astype(np.float64)
    return error, day_generator(town.seed, "vehicle silence", day).random(shape, dtype=np.float32) < _MISSING_SHARE


def _shown(
    town: Town, vehicles: IntArray, values: FloatArray, day: int, step_s: int, faults: tuple[Fault, ...]
) -> FloatArray:
    """Add noise, break receivers, round, and leave out what goes missing; in place, shape (v, 6, n)."""
    error, missing = _noise(town, day, step_s)
    values[:, LATITUDE] += error[vehicles, 0] / METRES_PER_DEGREE
    values[:, LONGITUDE] += error[vehicles, 1] / (METRES_PER_DEGREE * 0.685)
    stamps_us = _stamps_us(day, step_s)
    for fault in faults:
        if fault.kind in _RECEIVER and town.index[fault.asset][1] in vehicles:
            row = int(np.searchsorted(vehicles, town.index[fault.asset][1]))
            _break_receiver(town, values[row], stamps_us, fault, faults)
    for metric, decimals in enumerate(_DECIMALS):
        np.round(values[:, metric], decimals, out=values[:, metric])
    values.swapaxes(1, 2)[missing[vehicles]] = np.nan
    values += 0.0  # turns -0 into 0
    return values


def _break_receiver(
    town: Town, values: FloatArray, stamps_us: NDArray[np.int64], fault: Fault, faults: tuple[Fault, ...]
) -> None:
    """Freeze a position or let it jump, in place; values of shape (6, n)."""
    now = active(fault, stamps_us) & ~np.isnan(values[LATITUDE])
    start_us = span_us(fault)[0]
    if fault.kind is FaultKind.GPS_FREEZE:
        vehicle = np.array([town.index[fault.asset][1]])
        held = moments(town, vehicle, np.array([[start_us]]), faults)
        where = (held.latitude[0, 0], held.longitude[0, 0])
        if np.isnan(where[0]) and now.any():  # it logs on with what it knew first
            where = (values[LATITUDE, now][0], values[LONGITUDE, now][0])
        values[LATITUDE, now], values[LONGITUDE, now] = where
        return
    # Whether a sample jumps, and where to, is the stamp's own chance.
    rng = np.random.default_rng(zlib.crc32(f"{fault.asset}/{start_us}/{stamps_us[0]}".encode()))
    jumps = now & (rng.random(stamps_us.size) < _JUMP_SHARE)
    angle = rng.uniform(0.0, 2 * np.pi, stamps_us.size)
    values[LATITUDE, jumps] += _JUMP_DEG * np.sin(angle[jumps])
    values[LONGITUDE, jumps] += _JUMP_DEG * np.cos(angle[jumps])


@lru_cache(maxsize=2)
def _usual(town: Town, day: int, step_s: int) -> FloatArray:
    """Return what all vehicles report on a UTC day without faults; shape (vehicles, 6, n), read-only."""
    everyone = np.arange(len(town.vehicle_names))
    stamps_us = _stamps_us(day, step_s)
    # In blocks, since the way to a value takes many times its memory.
    blocks = np.split(everyone, range(_BLOCK, everyone.size, _BLOCK))
    values = np.concatenate([_true(town, block, stamps_us, step_s, ()) for block in blocks])
    _shown(town, everyone, values, day, step_s, ())
    values.flags.writeable = False
    return values


def vehicle_values(town: Town, day: int, step_s: int, faults: tuple[Fault, ...]) -> FloatArray:
    """Return what all vehicles report on a UTC day; shape (vehicles, 6, n), in the order of `VEHICLE_METRICS`.

    Parameters
    ----------
    faults
        Those of this department; others must have been taken out.
    """
    usual = _usual(town, day, step_s)
    start_us, end_us = day * DAY_US - step_s * 1_000_000 - _LATE_US, (day + 1) * DAY_US
    who = _whose(town, start_us, end_us, faults)
    if not who.size:
        return usual
    values = usual.copy()
    values[who] = _shown(town, who, _true(town, who, _stamps_us(day, step_s), step_s, faults), day, step_s, faults)
    values.flags.writeable = False
    return values


def _whose(town: Town, start_us: int, end_us: int, faults: tuple[Fault, ...]) -> IntArray:
    """Return the vehicles that any fault changes in a span, in order."""
    lines = [
        lines_hit(town, one, tuple(fault for fault in faults if fault.kind in SERVICE_FAULTS))
        for one in service_days(town.calendar, start_us, end_us)
    ]
    fleet = np.arange(town.lines.fleet)
    found = [np.unique(np.concatenate(lines))[:, None] * town.lines.fleet + fleet]
    own = [town.index[one.asset][1] for one in within(faults, start_us, end_us) if one.kind in VEHICLE_FAULTS]
    return np.unique(np.concatenate([found[0].ravel(), np.array(own, dtype=np.int64)]))
