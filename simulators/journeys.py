"""Which trip a bus is on, when the timetable has it where, and when it calls at stops."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from core.calendar import Calendar
from simulators.encoders.hfp import Journey
from simulators.network import FLEET, LINES, profile_of
from simulators.noise import STEP_S, STEPS, FloatArray
from simulators.rhythm import DAY_US, to_datetime
from simulators.timetable import DAY_S, IntArray, nominal_progress, scheduled_progress, tables

_NODES_S = np.arange(STEPS + 1) * float(STEP_S)


@dataclass(frozen=True, slots=True)
class StopCalls:
    """Arrivals and departures of all buses on one UTC day without faults, by time; arrays of shape (n,).

    Attributes
    ----------
    times_us
        Microseconds since 1970-01-01 UTC, whole milliseconds.
    buses
        Index into the fleet.
    progress
        Seconds since midnight of the timetable.
    stops
        Number of the stop that is reached or left.
    departs
        1 for a departure, 0 for an arrival.
    """

    times_us: IntArray
    buses: IntArray
    progress: FloatArray
    stops: IntArray
    departs: IntArray


@lru_cache(maxsize=4)
def stop_calls(seed: int, calendar: Calendar, day: int) -> StopCalls:
    """Return all arrivals and departures of a UTC day."""
    nodes = nominal_progress(seed, calendar, day)
    parts = [_calls_of(bus, nodes[bus]) for bus in range(len(FLEET))]
    seconds, progress, stops, departs = (np.concatenate([part[column] for part in parts]) for column in range(4))
    buses = np.repeat(np.arange(len(FLEET)), [part[0].size for part in parts])
    times_us = day * DAY_US + np.floor(seconds * 1_000).astype(np.int64) * 1_000
    order = np.lexsort((buses, times_us))
    return StopCalls(
        times_us[order],
        buses[order],
        progress[order],
        stops[order].astype(np.int64),
        departs[order].astype(np.int64),
    )


def _calls_of(bus: int, nodes: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return time since midnight, progress, stop and kind of each call of one bus on a day."""
    profile = profile_of(FLEET[bus].line)
    calls = np.concatenate([profile.arrivals, profile.departures])
    kinds = np.repeat([0.0, 1.0], [len(profile.arrivals), len(profile.departures)])
    phase_s = int(tables().phase_s[bus])
    first, last = (int((node + phase_s) // profile.cycle_s) for node in (nodes[0], nodes[-1]))
    cycles = np.arange(first, last + 1)
    progress = (cycles[:, None] * float(profile.cycle_s) + calls[:, 0] - phase_s).ravel()
    today = (progress >= nodes[0]) & (progress < nodes[-1])
    seconds = np.interp(progress[today], nodes, _NODES_S)
    return seconds, progress[today], np.tile(calls[:, 1], cycles.size)[today], np.tile(kinds, cycles.size)[today]


def scheduled_time_us(calendar: Calendar, day: int, progress: float) -> int:
    """Return when the timetable has a bus at a progress counted from a UTC day's midnight."""
    days, within = divmod(progress, DAY_S)
    of_day = day + int(days)
    seconds = float(np.interp(within, scheduled_progress(calendar, max(of_day, 0)), _NODES_S))
    return of_day * DAY_US + round(seconds * 1e6)


def trip_numbers(buses: IntArray, day: int, progress: FloatArray) -> IntArray:
    """Return the running number of the trip that each bus is on; even numbers are direction 1."""
    table = tables()
    half_s = table.cycle_s[buses] // 2
    return day * (DAY_S // half_s) + np.floor((progress + table.phase_s[buses]) / half_s).astype(np.int64)


@lru_cache(maxsize=4_096)
def journey_of(calendar: Calendar, bus: int, trip: int) -> Journey:
    """Return a bus's trip by its running number."""
    vehicle = FLEET[bus]
    line, half_s = LINES[vehicle.line], int(tables().cycle_s[bus]) // 2
    per_day = DAY_S // half_s
    day, of_day = divmod(trip, per_day)
    begins = of_day * float(half_s) - int(tables().phase_s[bus])
    start = to_datetime(scheduled_time_us(calendar, day, begins)).astimezone(ZoneInfo(calendar.time_zone))
    return Journey(
        operator=vehicle.operator,
        vehicle=vehicle.number,
        name=line.name,
        direction=1 + trip % 2,
        route=line.route,
        line=line.number,
        number=1 + vehicle.rank * per_day + of_day,
        headsign=line.headsigns[trip % 2],
        start=f"{start:%H:%M}",
        operating_day=f"{start:%Y-%m-%d}",
    )


def scheduled_minute(calendar: Calendar, day: int, progress: float) -> str:
    """Return the timetable's time of a call, to the minute as timetables are: RFC 3339 in UTC."""
    time = to_datetime(scheduled_time_us(calendar, day, progress)) + timedelta(seconds=30)
    return f"{time:%Y-%m-%dT%H:%M}:00.000Z"
