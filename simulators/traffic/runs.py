"""The service day of all vehicles, event by event: rides in the day's traffic, stops, passengers.

Passengers come all the time, so who waits at a stop has come since the vehicle before. A late vehicle finds more of
them, stands longer and is later still, and the one behind it finds fewer: bunching is not put in, it comes out.
Vehicles are held at terminals only and do not overtake one another at stops.

Sources
-------
G. F. Newell and R. B. Potts, *Maintaining a bus schedule*, 2nd Conference of the Australian Road Research Board (1964).
C. F. Daganzo, *A headway-based approach to eliminate bus bunching*, doi:10.1016/j.trb.2009.07.006: a stop's dwell
grows with the headway by the product of arrival rate and time per boarding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.noise import FloatArray, day_generator
from simulators.traffic.hours import NODE_S
from simulators.traffic.lines import BOARDING_S, DOORS_S, GREEN_WAVE, RECOVERY_S, SEATS, Lines
from simulators.traffic.streets import CYCLE_S, IntArray
from simulators.traffic.timetable import Timetable

BoolArray = NDArray[np.bool_]

_CLOSE_BEHIND_S = 6.0
_ALIGHTING = 0.55  # of the time that boarding takes, through the other doors
_DRIVER_SD = 0.05
DETOUR_LONGER = 1.45
_PATIENCE_S = 2_400.0  # after which those who wait are as many as those who give up
_FIRST_WAIT_S = 480.0  # since when passengers wait for a day's first vehicle


@dataclass(frozen=True, slots=True)
class Obstacles:
    """What faults do to the runs of lines; without faults all spans are empty.

    Attributes
    ----------
    broken_from, broken_to
        Shape (lines, vehicles): seconds since the service day's begin; infinite when the vehicle is whole.
    detour_from, detour_to
        Shape (lines, spans): when a line is diverted.
    detour_first, detour_last
        Shape (lines, spans, 2): first and last stop that are left out, by direction.
    """

    broken_from: FloatArray
    broken_to: FloatArray
    detour_from: FloatArray
    detour_to: FloatArray
    detour_first: IntArray
    detour_last: IntArray


def no_obstacles(lines: int, vehicles: int) -> Obstacles:
    """Return what stands in the way on a day without faults."""
    spans = np.zeros((lines, 0))
    stops = np.zeros((lines, 0, 2), dtype=np.int64)
    return Obstacles(np.full((lines, vehicles), np.inf), np.full((lines, vehicles), np.inf), spans, spans, stops, stops)


@dataclass(frozen=True, slots=True)
class Runs:
    """What happened on some lines in a service day; shape (lines, trips, stops) each.

    Attributes
    ----------
    arrive_s, depart_s
        Seconds since the service day's begin; who arrives close behind another waits for the stop. NaN where nothing
        came; a vehicle that broke down has an arrival that it did not live to see, or no departure.
    load
        People on board when the vehicle leaves.
    served
        False beyond a line's end and where a broken vehicle did not come.
    passed_by
        True where a detour left the stop out.
    """

    arrive_s: FloatArray
    depart_s: FloatArray
    load: FloatArray
    served: BoolArray
    passed_by: BoolArray


@dataclass(frozen=True, slots=True)
class _Chance:
    """The chance of a day; shape (lines, trips, links or stops)."""

    signal: FloatArray
    people: FloatArray
    driver: FloatArray


def _chance(seed: int, number: int, which: IntArray, trips: int, stops: int) -> _Chance:
    """Draw a line's chance for it alone, so that it is the same whichever lines are asked for."""
    rngs = [day_generator(seed, f"runs {line}", number) for line in which.tolist()]
    return _Chance(
        np.stack([rng.random((trips, stops - 1)) for rng in rngs]),
        np.stack([rng.standard_normal((trips, stops)) for rng in rngs]),
        np.stack([1.0 + _DRIVER_SD * np.clip(rng.standard_normal(trips), -3.0, 3.0) for rng in rngs]),
    )


@dataclass(slots=True)
class _Street:
    """What a run needs, already cut to the lines that are followed."""

    lines: Lines
    table: Timetable
    lost_s: FloatArray
    riders: FloatArray
    chance: _Chance
    obstacles: Obstacles
    boarding_s: float
    rows: IntArray
    last: FloatArray
    left_behind: FloatArray


@dataclass(slots=True)
class _Leg:
    """The next trip of every line, stop by stop: shape (links or stops, lines)."""

    segment: IntArray
    ride_s: FloatArray
    exists: BoolArray
    ends: BoolArray
    come_per_s: FloatArray
    leave_share: FloatArray
    people: FloatArray
    last: FloatArray
    left_behind: FloatArray


def simulate(
    lines: Lines,
    table: Timetable,
    which: IntArray,
    run_s: FloatArray,
    free_s: FloatArray,
    riders: FloatArray,
    *,
    seed: int,
    number: int,
    obstacles: Obstacles,
    boarding_s: float = BOARDING_S,
) -> Runs:
    """Follow the vehicles of some lines through one service day.

    Parameters
    ----------
    which
        Shape (n,): the lines; everything else holds all lines.
    run_s, free_s
        Shape (segments, steps) and (segments,): seconds along each segment, and those on an empty dry one.
    riders
        Shape (steps,): how many people wait, as `riders_level`.
    number
        The service day's.
    boarding_s
        Seconds that one passenger takes to board; 0 breaks the feedback that makes vehicles bunch.
    """
    cut = _cut(lines, table, which)
    shape = (which.size, table.departs_s.shape[1], lines.latitude.shape[3])
    state = _Street(
        *cut,
        # A bus is slower than a car in any case, and loses what the car loses.
        np.maximum(run_s - free_s[:, None], 0.0),
        riders,
        _chance(seed, number, which, shape[1], shape[2]),
        obstacles,
        boarding_s,
        np.arange(which.size),
        np.full((which.size, 2, shape[2]), -np.inf),
        np.zeros((which.size, 2, shape[2])),
    )
    arrive, depart, load = (np.full(shape, np.nan) for _ in range(3))
    served, passed = (np.zeros(shape, dtype=np.bool_) for _ in range(2))
    free = np.full((which.size, lines.fleet), -np.inf)
    for trip in range(shape[1]):
        _run_trip(state, trip, free, (arrive, depart, load), (served, passed))
    for array in (arrive, depart, load, served, passed):
        array.flags.writeable = False
    return Runs(arrive, depart, load, served, passed)


def _cut(lines: Lines, table: Timetable, which: IntArray) -> tuple[Lines, Timetable]:
    """Return the lines asked for only."""
    if which.size == lines.count.size:
        return lines, table
    names = tuple(lines.names[line] for line in which.tolist())
    arrays = ("links", "count", "link_m", "empty_s", "red_s", "red_share", "latitude", "longitude")
    shares = ("board_share", "leave_share", "riders")
    parts = {name: getattr(lines, name)[which] for name in (*arrays, *shares)}
    columns = ("departs_s", "direction", "vehicle", "used", "calls_s", "arrivals_per_s")
    return (
        Lines(names=names, fleet=lines.fleet, **parts),
        Timetable(**{name: getattr(table, name)[which] for name in columns}),
    )


def _leg(state: _Street, trip: int, way: IntArray) -> _Leg:
    lines, rows, chance = state.lines, state.rows, state.chance
    stops = np.arange(lines.latitude.shape[3])[:, None]
    red_s = np.maximum(lines.red_share[rows, way] - chance.signal[:, trip], 0.0) * (GREEN_WAVE * CYCLE_S)
    ride_s = lines.empty_s[rows, way] * chance.driver[:, trip, None] + red_s
    come_per_s = state.table.arrivals_per_s[:, None] * lines.board_share[rows, way]
    return _Leg(
        lines.links[rows, way].T,
        ride_s.T.copy(),
        stops <= lines.count,
        stops >= lines.count,
        come_per_s.T.copy(),
        lines.leave_share[rows, way].T.copy(),
        chance.people[:, trip].T.copy(),
        state.last[rows, way].T.copy(),
        state.left_behind[rows, way].T.copy(),
    )


def _run_trip(
    state: _Street,
    trip: int,
    free: FloatArray,
    out: tuple[FloatArray, FloatArray, FloatArray],
    flags: tuple[BoolArray, BoolArray],
) -> None:
    """Follow the next trip of every line from stop to stop."""
    table, rows = state.table, state.rows
    way, vehicle = table.direction[:, trip], table.vehicle[:, trip]
    leg = _leg(state, trip, way)
    broken = (state.obstacles.broken_from[rows, vehicle], state.obstacles.broken_to[rows, vehicle])
    depart = np.maximum(table.departs_s[:, trip], free[rows, vehicle] + RECOVERY_S)
    depart = np.maximum(depart, leg.last[0] + _CLOSE_BEHIND_S)
    # A vehicle that is broken when it should leave does not leave at all.
    alive = table.used[:, trip] & ~((depart >= broken[0]) & (table.departs_s[:, trip] < broken[1]))
    arrive, load, until = depart, np.zeros(rows.size), free[rows, vehicle]
    skipped = np.zeros(rows.size, dtype=np.bool_)
    for stop in range(leg.exists.shape[0]):
        if stop:
            skipped = _diverted(state, stop, way, depart)
            arrive = depart + _ride_s(state, leg, stop - 1, depart, skipped)
            alive = alive & leg.exists[stop]
        # A vehicle that breaks down was on its way to this stop.
        out[0][alive, trip, stop] = arrive[alive]
        if stop:
            alive = alive & ~((arrive >= broken[0]) & (depart < broken[1]))
        depart, load = _call(state, leg, stop, arrive, load, (alive & ~skipped, skipped))
        until = np.where(alive, depart, until)
        flags[0][:, trip, stop], flags[1][:, trip, stop] = alive, alive & skipped
        # Nor does it leave the stop at which it breaks down.
        alive = alive & ~((arrive < broken[0]) & (depart >= broken[0]))
        out[1][alive, trip, stop], out[2][alive, trip, stop] = depart[alive], load[alive]
    free[rows, vehicle] = until
    state.last[rows, way], state.left_behind[rows, way] = leg.last.T, leg.left_behind.T


def _diverted(state: _Street, stop: int, way: IntArray, depart: FloatArray) -> BoolArray:
    """Return which lines leave a stop out now."""
    faults = state.obstacles
    if faults.detour_from.shape[1] == 0:
        return np.zeros(way.size, dtype=np.bool_)
    now = (depart[:, None] >= faults.detour_from) & (depart[:, None] < faults.detour_to)
    first = np.take_along_axis(faults.detour_first, way[:, None, None], axis=2)[..., 0]
    last = np.take_along_axis(faults.detour_last, way[:, None, None], axis=2)[..., 0]
    return np.asarray((now & (stop >= first) & (stop <= last)).any(axis=1))


def _ride_s(state: _Street, leg: _Leg, link: int, depart: FloatArray, diverted: BoolArray) -> FloatArray:
    """Return seconds from a stop to the next, the signal before it included."""
    step = np.minimum((depart / NODE_S).astype(np.int64), state.lost_s.shape[1] - 1)
    ride: FloatArray = leg.ride_s[link] + state.lost_s[leg.segment[link], step]
    return np.where(diverted, DETOUR_LONGER * ride, ride) if diverted.any() else ride


def _call(
    state: _Street, leg: _Leg, stop: int, arrive: FloatArray, load: FloatArray, which: tuple[BoolArray, BoolArray]
) -> tuple[FloatArray, FloatArray]:
    """Let people off and on; return when the vehicle leaves, and how many are on board then.

    `which` says which lines call here, and which pass by.
    """
    calls, skipped = which
    last, ends = leg.last[stop], leg.ends[stop]
    pulls_in = np.where(skipped, arrive, np.maximum(arrive, last + _CLOSE_BEHIND_S))
    step = np.minimum((pulls_in / NODE_S).astype(np.int64), state.riders.size - 1)
    since = np.where(np.isneginf(last), _FIRST_WAIT_S, np.clip(pulls_in - last, 0.0, _PATIENCE_S))
    mean = leg.come_per_s[stop] * state.riders[step] * since
    waiting = leg.left_behind[stop] + np.maximum(mean + np.sqrt(mean) * leg.people[stop], 0.0)
    leaves = load * leg.leave_share[stop]
    boards = np.minimum(waiting, np.maximum(SEATS - load + leaves, 0.0))
    busy = np.minimum(1.0, boards + leaves)  # no stop for nobody
    dwell = DOORS_S * busy + state.boarding_s * np.maximum(boards, _ALIGHTING * leaves)
    # At the terminal people board while the vehicle waits for its time.
    stands = calls & ~ends if stop else np.zeros_like(calls)
    depart = pulls_in + np.where(stands, dwell, 0.0)
    leg.left_behind[stop] = np.where(calls, waiting - boards, leg.left_behind[stop])
    leg.last[stop] = np.where(calls, depart, last)
    after = np.where(calls, load - leaves + boards, load)
    return depart, np.where(ends, 0.0, after)
