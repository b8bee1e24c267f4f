"""The service of the lines on a day: runs, tracks and calls, with and without faults, kept for the days last asked."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.fault import Fault, FaultKind
from simulators.noise import FloatArray
from simulators.rhythm import DAY_US
from simulators.traffic.breaks import STREET_FAULTS, lines_hit, obstacles_of, state_of, within
from simulators.traffic.hours import NODE_S, ServiceDay, clock_hours, riders_level, service_days
from simulators.traffic.runs import Obstacles, Runs, no_obstacles, simulate
from simulators.traffic.streets import IntArray
from simulators.traffic.town import Town, timetable_of, usual_state
from simulators.traffic.tracks import Tracks, build_tracks

SERVICE_FAULTS = STREET_FAULTS | {FaultKind.DETOUR, FaultKind.BUS_BREAKDOWN}
"""Kinds that change when vehicles are where."""

CALL = np.dtype(
    [
        ("time_us", np.int64),
        ("line", np.int32),
        ("direction", np.int8),
        ("trip", np.int32),
        ("stop", np.int16),
        ("vehicle", np.int32),
        ("departs", np.bool_),
        ("scheduled_us", np.int64),
        ("load", np.float32),
    ]
)
"""An arrival or a departure: times in microseconds since 1970-01-01 UTC; line, trip (of the line and service day), stop
(of the direction) and vehicle (of the department) counted from 0; load in people after it."""

_HEADWAY_HOLDS_S = 1_800.0


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """What some lines did in a service day.

    Attributes
    ----------
    which
        Shape (n,): the lines, in order.
    runs, tracks
        Of these lines.
    """

    which: IntArray
    runs: Runs
    tracks: Tracks


def run_lines(
    town: Town, day: ServiceDay, run_s: FloatArray, which: IntArray, obstacles: Obstacles, **options: float
) -> Runs:
    """Follow some lines through a service day in given traffic; `options` go to `simulate`."""
    hours = clock_hours(town.calendar, day)[:-1] + NODE_S / 7_200
    return simulate(
        town.lines,
        timetable_of(town, day),
        which,
        run_s,
        town.streets.free_s,
        riders_level(hours, day.weekday),
        seed=town.seed,
        number=day.number,
        obstacles=obstacles,
        **options,
    )


def _service(town: Town, day: ServiceDay, run_s: FloatArray, which: IntArray, obstacles: Obstacles) -> Service:
    runs = run_lines(town, day, run_s, which, obstacles)
    return Service(which, runs, build_tracks(town.lines, timetable_of(town, day), runs, which))


@lru_cache(maxsize=2)
def usual_service(town: Town, day: ServiceDay) -> Service:
    """Return what all lines do on a service day without faults."""
    which = np.arange(town.lines.count.size)
    return _service(town, day, usual_state(town, day).run_s, which, no_obstacles(which.size, town.lines.fleet))


def changed_service(town: Town, day: ServiceDay, faults: tuple[Fault, ...]) -> Service | None:
    """Return what those lines do that faults change on a service day; None when there are none."""
    found = within(tuple(fault for fault in faults if fault.kind in SERVICE_FAULTS), day.start_us, day.end_us)
    return _changed_service(town, day, found) if found else None


@lru_cache(maxsize=2)
def _changed_service(town: Town, day: ServiceDay, faults: tuple[Fault, ...]) -> Service | None:
    which = lines_hit(town, day, faults)
    if not which.size:
        return None
    return _service(town, day, state_of(town, day, faults).run_s, which, obstacles_of(town, day, faults, which))


def _parts(town: Town, day: ServiceDay, faults: tuple[Fault, ...]) -> list[tuple[Service, IntArray]]:
    """Return services and which of their rows count, so that each line counts once."""
    usual, changed = usual_service(town, day), changed_service(town, day, faults)
    if changed is None:
        return [(usual, np.arange(usual.which.size))]
    return [(usual, np.setdiff1d(usual.which, changed.which)), (changed, np.arange(changed.which.size))]


def _calls_of(town: Town, day: ServiceDay, service: Service, rows: IntArray) -> NDArray[np.void]:
    """Return arrivals and departures of some lines in a service day, in no order."""
    table, runs = timetable_of(town, day), service.runs
    served = runs.served[rows] & ~runs.passed_by[rows]
    row, trip, stop = np.nonzero(served)
    line = service.which[rows[row]]
    found = np.empty((2, row.size), dtype=CALL)
    for departs, seconds in enumerate((runs.arrive_s, runs.depart_s)):
        whole_ms = np.rint(np.nan_to_num(seconds[rows[row], trip, stop]) * 1e3).astype(np.int64)
        found[departs]["time_us"] = day.start_us + whole_ms * 1_000
    found["line"], found["trip"], found["stop"] = line, trip, stop
    found["direction"] = table.direction[line, trip]
    found["vehicle"] = line * town.lines.fleet + table.vehicle[line, trip]
    found["departs"] = np.array([[False], [True]])
    found["scheduled_us"] = day.start_us + np.rint(table.calls_s[line, trip, stop]).astype(np.int64) * 1_000_000
    found["load"] = np.rint(np.nan_to_num(runs.load[rows[row], trip, stop]))
    # Nobody arrives where a trip begins, nobody leaves where it ends.
    leaves = ~np.isnan(runs.depart_s[rows[row], trip, stop])
    happens = np.stack([stop > 0, leaves & (stop < town.lines.count[line])])
    return found[happens]


def calls(town: Town, day: int, faults: tuple[Fault, ...]) -> NDArray[np.void]:
    """Return the arrivals and departures of a UTC day, by time, then line, trip, stop; of dtype `CALL`, read-only."""
    start_us, end_us = day * DAY_US, (day + 1) * DAY_US
    found = np.concatenate(
        [
            _calls_of(town, one, service, rows)
            for one in service_days(town.calendar, start_us, end_us)
            for service, rows in _parts(town, one, faults)
        ]
    )
    found = found[(found["time_us"] >= start_us) & (found["time_us"] < end_us)]
    order = np.lexsort((found["departs"], found["stop"], found["trip"], found["line"], found["time_us"]))
    result = found[order]
    result.flags.writeable = False
    return result


def _headways(town: Town, day: ServiceDay, service: Service, row: int, stamps_us: NDArray[np.int64]) -> FloatArray:
    """Return the last headway of a line at its middle stop, direction 0, at each stamp."""
    line = int(service.which[row])
    stop = int(town.lines.count[line]) // 2
    onward = timetable_of(town, day).direction[line] == 0
    came = service.runs.served[row, :, stop] & ~service.runs.passed_by[row, :, stop] & onward
    times = np.sort(service.runs.depart_s[row, came, stop])
    seconds = (stamps_us - day.start_us) / 1e6
    last = np.searchsorted(times, seconds, side="right") - 1
    known = (last >= 1) & (seconds - times[np.maximum(last, 0)] <= _HEADWAY_HOLDS_S) if times.size else last >= 0
    if times.size < 2:  # noqa: PLR2004
        return np.full(seconds.shape, np.nan)
    return np.where(known, np.rint(np.diff(times)[np.clip(last - 1, 0, times.size - 2)]), np.nan)


def headways(town: Town, stamps_us: NDArray[np.int64], faults: tuple[Fault, ...]) -> FloatArray:
    """Return the last headway of each line at its reference stop: shape (lines, stamps), s.

    NaN when nobody came for half an hour. The reference stop is the middle one of direction 0.
    """
    values = np.full((town.lines.count.size, stamps_us.size), np.nan)
    for day in service_days(town.calendar, int(stamps_us[0]), int(stamps_us[-1]) + 1):
        mine = (stamps_us >= day.start_us) & (stamps_us < day.end_us)
        for service, rows in _parts(town, day, faults):
            for row in rows.tolist():
                values[service.which[row], mine] = _headways(town, day, service, row, stamps_us[mine])
    return values
