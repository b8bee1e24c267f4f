"""Where each bus is and in which state, as functions of the day: timetable, straying, load.

Progress is how far a bus is along its endless round trips, in seconds of its line's ideal profile. The timetable is
progress as scheduled: one second a second on average, slower in the rush hours that planners know of. A bus strays
from it by a slow AR(1) and by the part of the rush hour that nobody planned for.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.calendar import Calendar
from simulators.city import BUS_INTERVAL_S
from simulators.network import BUSES_PER_LINE, FLEET, LINES, profile_of
from simulators.noise import STEPS, FloatArray, autoregressive, day_generator
from simulators.rhythm import local_day, ridership, traffic_peak

IntArray = NDArray[np.int64]

DAY_S = 86_400

_STRAY_S = 40.0
_STRAY_PERSISTENCE = 0.92
_UNPLANNED_S = 75.0  # late at the worst of the rush hour
_PLANNED_SLOWDOWN = 0.22


@dataclass(frozen=True, slots=True)
class Tables:
    """The profiles of all lines, one behind the other, so that one index reads any bus.

    Attributes
    ----------
    first
        Shape (30,): where the bus's line begins in the tables.
    cycle_s
        Shape (30,): seconds of a round trip of the bus's line.
    phase_s
        Shape (30,): how far the bus is ahead of the first bus of its line.
    columns
        Each of shape (n,), under its name in `Profile`.
    next_stop, stop
        Shape (n,): as in `Profile`.
    """

    first: IntArray
    cycle_s: IntArray
    phase_s: IntArray
    columns: dict[str, FloatArray]
    next_stop: IntArray
    stop: IntArray


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Return the tables of the fleet."""
    profiles = [profile_of(line) for line in range(len(LINES))]
    begins = np.concatenate([[0], np.cumsum([profile.cycle_s for profile in profiles])[:-1]]).astype(np.int64)
    lines = np.array([vehicle.line for vehicle in FLEET])
    cycle_s = np.array([profile.cycle_s for profile in profiles], dtype=np.int64)[lines]
    rank = np.array([vehicle.rank for vehicle in FLEET])
    names = ("latitude", "longitude", "speed", "heading", "acceleration", "load", "odometer", "door_open")
    steps = ("latitude_step", "longitude_step", "odometer_step")
    return Tables(
        begins[lines],
        cycle_s,
        rank * (cycle_s // BUSES_PER_LINE),
        {name: np.concatenate([getattr(profile, name) for profile in profiles]) for name in (*names, *steps)},
        np.concatenate([profile.next_stop for profile in profiles]),
        np.concatenate([profile.stop for profile in profiles]),
    )


@lru_cache(maxsize=4)
def sample_phase_us(seed: int) -> IntArray:
    """Return how long after each full 5 s each bus samples: shape (30,), whole milliseconds in microseconds.

    Never 0, so that no sample falls on the 300 s stamps of the archive.
    """
    drawn = day_generator(seed, "sample phase", 0).integers(100, BUS_INTERVAL_S * 1_000 - 100, len(FLEET))
    return drawn.astype(np.int64) * 1_000


@lru_cache(maxsize=64)
def scheduled_progress(calendar: Calendar, day: int) -> FloatArray:
    """Return the timetable of a UTC day: progress since midnight at each 300 s, from 0 to 86,400.

    Returns
    -------
    Shape (289,), seconds; linear in between.
    """
    pace = 1.0 - _PLANNED_SLOWDOWN * traffic_peak(local_day(calendar, day))
    between = (pace[1:] + pace[:-1]) / 2
    reached = np.concatenate([[0.0], np.cumsum(between)])
    progress: FloatArray = reached * (DAY_S / reached[-1])
    return progress


@lru_cache(maxsize=16)
def nominal_progress(seed: int, calendar: Calendar, day: int) -> FloatArray:
    """Return how far each bus is on a UTC day without faults, since midnight of the timetable.

    Returns
    -------
    Shape (30, 289), seconds; linear in between, always growing, since innovations and rush hours are bounded.
    """
    stray = _STRAY_S * autoregressive(seed, "stray", day, len(FLEET), _STRAY_PERSISTENCE)
    return scheduled_progress(calendar, day) - _UNPLANNED_S * traffic_peak(local_day(calendar, day)) + stray


def occupancy_level(seed: int, calendar: Calendar, day: int) -> FloatArray:
    """Return how full each bus is at its fullest in each 300 s: shape (30, 288), %."""
    crowd = ridership(local_day(calendar, day))[:STEPS]
    return 100.0 * crowd * np.clip(1.0 + 0.2 * autoregressive(seed, "riders", day, len(FLEET), 0.9)[:, :STEPS], 0.2, 2)


def table_index(buses: IntArray, progress: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the row of the tables for each bus and progress, and how much of that second has passed."""
    table = tables()
    position = (progress + table.phase_s[buses]) % table.cycle_s[buses]
    second = position.astype(np.int64)
    # A progress a hair below 0 rounds up to the whole cycle.
    second = np.minimum(second, table.cycle_s[buses] - 1)
    return second + table.first[buses], position - second


def state(buses: IntArray, progress: FloatArray, pace: FloatArray, level: FloatArray) -> list[FloatArray]:
    """Return the true state of buses, except for the schedule offset.

    Parameters
    ----------
    buses, progress, pace, level
        Of one shape or broadcastable to one: index of the bus, progress in s, its growth per second, and the
        occupancy of a bus at its fullest in %.

    Returns
    -------
    One array for each of `BUS_METRICS`; the schedule offset is zeros.
    """
    index, part = table_index(buses, progress)
    read = tables().columns
    moving = pace * np.ones_like(progress)
    return [
        read["latitude"][index] + part * read["latitude_step"][index],
        read["longitude"][index] + part * read["longitude_step"][index],
        np.maximum(read["speed"][index] + part * read["acceleration"][index], 0.0) * moving,
        read["heading"][index],
        read["acceleration"][index] * moving**2,
        np.zeros_like(progress),
        read["odometer"][index] + part * read["odometer_step"][index],
        read["door_open"][index],
        read["load"][index] * level,
    ]
