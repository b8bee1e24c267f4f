"""The bus lines of the simulated city, and how a bus moves along one in an ideal hour.

Streets and districts are Cluj-Napoca's in rough strokes; lines, stops and timetables are invented.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.noise import FloatArray

METRES_PER_DEGREE = 111_195.0  # of latitude, on a sphere of 6,371 km
BUSES_PER_LINE = 5

_CRUISE_M_S = 11.0
_ACCELERATION_M_S2 = 1.0
_BRAKING_M_S2 = 1.1
_STOP_SPACING_M = 480.0
_DWELL_S = 22
_DOOR_OPENS_S, _DOOR_CLOSES_S = 3, 18  # after standstill
_SHORTEST_LAYOVER_S = 150
_CYCLES_S = (
    1_440,
    1_600,
    1_728,
    1_800,
    1_920,
    2_160,
    2_400,
    2_700,
    2_880,
    3_200,
    3_456,
    3_600,
    4_320,
)  # each divides a day, so that every midnight looks alike


@dataclass(frozen=True, slots=True)
class Line:
    """A bus line: both directions follow the same streets.

    Attributes
    ----------
    name
        What passengers read on the bus.
    route, number
        HFP's `route` and `line`.
    headsigns
        Destination of direction 1 and of direction 2.
    path
        Latitude and longitude of each corner, WGS 84, from the terminal where direction 1 begins.
    first_stop
        HFP's number of direction 1's first stop; the others count on from it.
    """

    name: str
    route: str
    number: int
    headsigns: tuple[str, str]
    path: tuple[tuple[float, float], ...]
    first_stop: int


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A bus: HFP names it by the operator that owns it and a number."""

    operator: int
    number: int
    line: int
    rank: int

    @property
    def name(self) -> str:
        """Return the name that a decoder of HFP gives the bus."""
        return f"hsl:{self.operator}/{self.number}"


LINES: tuple[Line, ...] = (
    Line(
        "24",
        "1024",
        124,
        ("Unirii", "Mănăștur Nord"),
        ((46.7581, 23.5506), (46.7606, 23.5672), (46.7673, 23.5812), (46.7703, 23.5967), (46.7779, 23.6208)),
        101_001,
    ),
    Line(
        "9",
        "1009",
        109,
        ("Piața Gării", "Grigorescu"),
        ((46.7652, 23.5462), (46.7668, 23.5603), (46.7698, 23.5797), (46.7767, 23.5866), (46.7846, 23.5866)),
        102_001,
    ),
    Line(
        "30",
        "1030",
        130,
        ("Aurel Vlaicu", "Grigorescu"),
        ((46.7646, 23.5411), (46.7690, 23.5776), (46.7714, 23.5983), (46.7792, 23.6176), (46.7836, 23.6402)),
        103_001,
    ),
    Line(
        "25",
        "1025",
        125,
        ("Bucium", "Unirii Est"),
        ((46.7800, 23.6251), (46.7744, 23.6090), (46.7687, 23.5934), (46.7590, 23.5695), (46.7516, 23.5499)),
        104_001,
    ),
    Line(
        "8",
        "1008",
        108,
        ("Aeroport", "Piața Mihai Viteazul"),
        ((46.7745, 23.5904), (46.7779, 23.6054), (46.7836, 23.6303), (46.7853, 23.6561), (46.7836, 23.6866)),
        105_001,
    ),
    Line(
        "35",
        "1035",
        135,
        ("Zorilor", "Piața Gării"),
        ((46.7846, 23.5866), (46.7768, 23.5880), (46.7691, 23.5893), (46.7621, 23.5848), (46.7544, 23.5862)),
        106_001,
    ),
)

_OPERATORS = (12, 12, 18, 18, 22, 22)
_FIRST_VEHICLE = (1_124, 1_306, 1_029, 678, 792, 854)

FLEET: tuple[Vehicle, ...] = tuple(
    Vehicle(_OPERATORS[line], _FIRST_VEHICLE[line] + rank, line, rank)
    for line in range(len(LINES))
    for rank in range(BUSES_PER_LINE)
)


@dataclass(frozen=True, slots=True)
class Profile:
    """An ideal round trip, second by second; every array has one entry per second of the cycle.

    Attributes
    ----------
    cycle_s
        Seconds of the round trip; direction 1 takes its first half.
    latitude, longitude, odometer, speed, acceleration
        In deg, deg, m since trip start, m/s, m/s2.
    latitude_step, longitude_step, odometer_step
        Change within the second that begins here.
    heading
        deg clockwise from north, 0 to below 360.
    door_open
        0 or 1.
    load
        Share of the line's largest load that is on board, 0 to 1.
    next_stop
        HFP number of the stop that the bus is at or drives to.
    stop
        The same while it stands at the stop, otherwise 0.
    arrivals, departures
        Seconds into the cycle, with the stop's number: shape (k, 2).
    """

    cycle_s: int
    latitude: FloatArray
    longitude: FloatArray
    odometer: FloatArray
    speed: FloatArray
    acceleration: FloatArray
    latitude_step: FloatArray
    longitude_step: FloatArray
    odometer_step: FloatArray
    heading: FloatArray
    door_open: FloatArray
    load: FloatArray
    next_stop: NDArray[np.int64]
    stop: NDArray[np.int64]
    arrivals: NDArray[np.int64]
    departures: NDArray[np.int64]


def _ride(distance_m: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return position, speed and acceleration at each second of a ride from stop to stop."""
    ramps = 1 / (2 * _ACCELERATION_M_S2) + 1 / (2 * _BRAKING_M_S2)
    duration_s = int(np.ceil(distance_m / _CRUISE_M_S + _CRUISE_M_S * ramps))
    # Whole seconds from stop to stop: the cruising speed gives way (root of v·T - ramps·v² = d).
    cruise = (duration_s - np.sqrt(duration_s**2 - 4 * ramps * distance_m)) / (2 * ramps)
    second = np.arange(duration_s, dtype=np.float64)
    speeding_up, slowing_down = cruise / _ACCELERATION_M_S2, duration_s - cruise / _BRAKING_M_S2
    speed = np.minimum(np.minimum(second * _ACCELERATION_M_S2, cruise), (duration_s - second) * _BRAKING_M_S2)
    position = np.select(
        [second <= speeding_up, second <= slowing_down],
        [_ACCELERATION_M_S2 * second**2 / 2, cruise * (second - speeding_up / 2)],
        distance_m - _BRAKING_M_S2 * (duration_s - second) ** 2 / 2,
    )
    acceleration = np.select([second < speeding_up, second < slowing_down], [_ACCELERATION_M_S2, 0.0], -_BRAKING_M_S2)
    return position, speed, acceleration


@dataclass(frozen=True, slots=True)
class _Trip:
    """One direction at each second, before it is laid on the map."""

    odometer: FloatArray
    speed: FloatArray
    acceleration: FloatArray
    door_open: FloatArray
    toward: NDArray[np.int64]  # index of the stop that the bus is at or drives to
    standing: NDArray[np.bool_]


def _dwell(position_m: float, seconds: int, stop: int, opens_s: int, closes_s: int) -> _Trip:
    still = np.zeros(seconds)
    door = still.copy()
    door[opens_s:closes_s] = 1.0
    return _Trip(
        np.full(seconds, position_m), still, still, door, np.full(seconds, stop), np.ones(seconds, dtype=np.bool_)
    )


def _trip(length_m: float, half_cycle_s: int) -> _Trip:
    """Return layover, then rides and dwells up to the last stop."""
    rides = max(2, round(length_m / _STOP_SPACING_M))
    spacing_m = length_m / rides
    position, speed, acceleration = _ride(spacing_m)
    layover_s = half_cycle_s - rides * (position.size + _DWELL_S)
    parts = [_dwell(0.0, layover_s, 0, layover_s - 90, layover_s - 5)]
    for stop in range(1, rides + 1):
        moving = np.zeros(position.size)
        toward = np.full(position.size, stop)
        odometer = (stop - 1) * spacing_m + position
        parts.append(_Trip(odometer, speed, acceleration, moving, toward, moving.astype(np.bool_)))
        parts.append(_dwell(stop * spacing_m, _DWELL_S, stop, _DOOR_OPENS_S, _DOOR_CLOSES_S))
    return _Trip(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("odometer", "speed", "acceleration", "door_open", "toward", "standing")
        )
    )


def _shortest_cycle_s(length_m: float) -> int:
    rides = max(2, round(length_m / _STOP_SPACING_M))
    trip_s = rides * (_ride(length_m / rides)[0].size + _DWELL_S) + _SHORTEST_LAYOVER_S
    return next(cycle_s for cycle_s in _CYCLES_S if cycle_s >= 2 * trip_s)


def _on_map(path: FloatArray, odometer: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return latitude, longitude and heading of each distance along a path."""
    reached = _corner_distances(path)
    leg = np.clip(np.searchsorted(reached, odometer, side="right") - 1, 0, len(path) - 2)
    north, east = _legs(path)
    heading = np.degrees(np.arctan2(east, north)) % 360.0
    return np.interp(odometer, reached, path[:, 0]), np.interp(odometer, reached, path[:, 1]), heading[leg]


def _legs(path: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return metres north and metres east of each leg of a path."""
    north = np.diff(path[:, 0]) * METRES_PER_DEGREE
    return north, np.diff(path[:, 1]) * METRES_PER_DEGREE * np.cos(np.radians(path[:, 0].mean()))


def _corner_distances(path: FloatArray) -> FloatArray:
    north, east = _legs(path)
    return np.concatenate([[0.0], np.cumsum(np.hypot(north, east))])


def _events(trip: _Trip, stops: NDArray[np.int64], offset_s: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return when the bus arrives at its stops and when it leaves them; it leaves no last stop, it arrives at no first.

    The last second of a standstill is the departure's, so that its readings are those of a bus that stands.
    """
    begins = np.flatnonzero(np.diff(trip.standing.astype(np.int8)) == 1) + 1
    ends = np.flatnonzero(np.diff(trip.standing.astype(np.int8)) == -1)
    arrivals = np.stack([begins + offset_s, stops[trip.toward[begins]]], axis=1)
    return arrivals, np.stack([ends + offset_s, stops[trip.toward[ends]]], axis=1)


@lru_cache(maxsize=len(LINES))
def profile_of(line: int) -> Profile:
    """Return the ideal round trip of a line."""
    path = np.array(LINES[line].path)
    length_m = float(_corner_distances(path)[-1])
    cycle_s = _shortest_cycle_s(length_m)
    trip = _trip(length_m, cycle_s // 2)
    count = int(trip.toward.max()) + 1
    stops = [LINES[line].first_stop + 2 * np.arange(count) + direction for direction in (0, 1)]
    maps = [_on_map(one_way, trip.odometer) for one_way in (path, path[::-1])]
    events = [_events(trip, stops[direction], direction * cycle_s // 2) for direction in (0, 1)]
    latitude, longitude, heading = (np.concatenate([maps[0][part], maps[1][part]]) for part in range(3))
    odometer, toward = np.tile(trip.odometer, 2), np.concatenate([stop[trip.toward] for stop in stops])
    passed = np.where(trip.standing, trip.toward, trip.toward - 1)
    return Profile(
        cycle_s=cycle_s,
        latitude=latitude,
        longitude=longitude,
        odometer=odometer,
        speed=np.tile(trip.speed, 2),
        acceleration=np.tile(trip.acceleration, 2),
        latitude_step=np.roll(latitude, -1) - latitude,
        longitude_step=np.roll(longitude, -1) - longitude,
        odometer_step=np.maximum(np.roll(odometer, -1) - odometer, 0.0),
        heading=heading,
        door_open=np.tile(trip.door_open, 2),
        load=np.tile(0.15 + 0.85 * np.sin(np.pi * (passed + 0.3) / count), 2),
        next_stop=toward,
        stop=np.where(np.tile(trip.standing, 2), toward, 0),
        arrivals=np.concatenate([arrived for arrived, _ in events]),
        departures=np.concatenate([left for _, left in events]),
    )
