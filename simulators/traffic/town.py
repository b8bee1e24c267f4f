"""A city's streets and lines with their names: what the parts of the department share."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from core.asset import Asset, Domain, Place, Series
from core.calendar import Calendar
from core.metrics import traits_of
from simulators.noise import day_generator
from simulators.surroundings import Surroundings
from simulators.traffic.demand import rain_of, sources_per_h
from simulators.traffic.hours import ServiceDay
from simulators.traffic.lines import Lines, build_lines, stop_place, vehicle_name
from simulators.traffic.loading import TrafficState, load
from simulators.traffic.scale import Scale
from simulators.traffic.streets import CENTRE, METRES_PER_DEGREE, IntArray, Streets, build_streets
from simulators.traffic.timetable import Timetable, build_timetable

COUNTER_METRICS = (("traffic_flow", "/h"), ("occupancy", "%"), ("speed", "km/h"))
VEHICLE_METRICS = (
    ("latitude", "deg"),
    ("longitude", "deg"),
    ("speed", "m/s"),
    ("schedule_offset", "s"),
    ("occupancy", "%"),
    ("odometer", "m"),
)
_SEGMENT_METRIC = ("travel_time", "s")
_LINE_METRIC = ("headway", "s")

_LIMITS: dict[tuple[str, str], tuple[float, float]] = {
    ("traffic_flow", "/h"): (0.0, 20_000.0),
    ("speed", "km/h"): (0.0, 200.0),
    ("travel_time", "s"): (0.0, 3_600.0),
    ("headway", "s"): (0.0, 7_200.0),
}
_CENTRE_M = 900.0
_QUARTERS = ("Nord", "Est", "Sud", "Vest")


@dataclass(frozen=True, slots=True, eq=False)
class Town:
    """The city as this department sees it; two towns are equal only when they are the same object.

    Attributes
    ----------
    scale, seed, calendar, surroundings
        What it was built from.
    streets, lines
        Its network.
    counted
        Shape (counters,): the segment under each counter, in order.
    segment_names, junction_names, counter_names, vehicle_names
        In the order of their arrays; vehicles line by line.
    index
        Kind of asset and number of each name.
    """

    scale: Scale
    seed: int
    calendar: Calendar
    surroundings: Surroundings
    streets: Streets
    lines: Lines
    counted: IntArray
    segment_names: tuple[str, ...]
    junction_names: tuple[str, ...]
    counter_names: tuple[str, ...]
    vehicle_names: tuple[str, ...]
    index: dict[str, tuple[str, int]] = field(repr=False)


def build_town(scale: Scale, seed: int, calendar: Calendar, surroundings: Surroundings) -> Town:
    """Build the streets and lines of a city of a size."""
    streets = build_streets(scale, seed)
    lines = build_lines(scale, streets, seed)
    names = _names(scale, lines)
    return Town(
        scale,
        seed,
        calendar,
        surroundings,
        streets,
        lines,
        _counted(scale, streets, seed),
        names["road_segment"],
        names["junction"],
        names["counter"],
        names["vehicle"],
        {name: (kind, number) for kind, all_names in names.items() for number, name in enumerate(all_names)},
    )


def _names(scale: Scale, lines: Lines) -> dict[str, tuple[str, ...]]:
    """Return the names of all things by their kind."""
    fleet = scale.vehicles_per_line
    return {
        "road_segment": tuple(f"road-{number + 1:04d}" for number in range(scale.segments)),
        "junction": tuple(f"junction-{number + 1:04d}" for number in range(scale.rows * scale.columns)),
        "counter": tuple(f"counter-{number + 1:04d}" for number in range(scale.counters)),
        "line": lines.names,
        "vehicle": tuple(vehicle_name(line, rank, fleet) for line in range(scale.lines) for rank in range(fleet)),
    }


def _counted(scale: Scale, streets: Streets, seed: int) -> IntArray:
    """Return the segments with a counter: the busier, the likelier."""
    rng = day_generator(seed, f"counters {scale.name}", 0)
    wish = streets.capacity_per_h * streets.usual_ratio * rng.uniform(0.3, 1.0, scale.segments)
    return np.sort(np.argsort(-wish, kind="stable")[: scale.counters])


def zone_of(place: Place) -> str:
    """Return the part of the city that a place belongs to."""
    north = (place.latitude - CENTRE.latitude) * METRES_PER_DEGREE
    east = (place.longitude - CENTRE.longitude) * METRES_PER_DEGREE * np.cos(np.radians(CENTRE.latitude))
    if np.hypot(north, east) < _CENTRE_M:
        return "Centru"
    return _QUARTERS[int((np.degrees(np.arctan2(east, north)) + 45.0) % 360.0 // 90.0)]


def _along(streets: Streets, segment: int, share: float) -> Place:
    begin, end = streets.begin[segment], streets.end[segment]
    latitude = streets.latitude[begin] * (1 - share) + streets.latitude[end] * share
    longitude = streets.longitude[begin] * (1 - share) + streets.longitude[end] * share
    return Place(round(float(latitude), 6), round(float(longitude), 6))


def _asset(name: str, kind: str, place: Place) -> Asset:
    return Asset(name, Domain.TRANSPORT, kind, place, zone_of(place))


def assets_of(town: Town) -> tuple[Asset, ...]:
    """Return all things: junctions, road segments, counters, lines, vehicles."""
    streets = town.streets
    found = [
        _asset(name, "junction", Place(round(float(north), 6), round(float(east), 6)))
        for name, north, east in zip(town.junction_names, streets.latitude, streets.longitude, strict=True)
    ]
    found += [_asset(name, "road_segment", _along(streets, at, 0.5)) for at, name in enumerate(town.segment_names)]
    found += [
        _asset(name, "counter", _along(streets, at, 0.6))
        for at, name in zip(town.counted.tolist(), town.counter_names, strict=True)
    ]
    for line, name in enumerate(town.lines.names):
        middle = stop_place(town.lines, line, int(town.lines.count[line]) // 2)
        found.append(Asset(name, Domain.TRANSPORT, "line", None, zone_of(middle)))
    found += [Asset(name, Domain.TRANSPORT, "vehicle") for name in town.vehicle_names]
    return tuple(found)


def _one(asset: str, metric: tuple[str, str], step_s: int) -> Series:
    traits = traits_of(*metric)
    lower, upper = _LIMITS.get(metric, (traits.lower_limit, traits.upper_limit))
    return Series(asset, *metric, float(step_s), lower, upper)


def series_of(town: Town, step_s: int) -> tuple[Series, ...]:
    """Return all series: road segments, then counters, then lines, then vehicles."""
    found = [_one(name, _SEGMENT_METRIC, step_s) for name in town.segment_names]
    found += [_one(name, metric, step_s) for name in town.counter_names for metric in COUNTER_METRICS]
    found += [_one(name, _LINE_METRIC, step_s) for name in town.lines.names]
    found += [_one(name, metric, step_s) for name in town.vehicle_names for metric in VEHICLE_METRICS]
    return tuple(found)


def edges_of(town: Town) -> tuple[tuple[str, str], ...]:
    """Return junction → segment that leads to it, segment → counter, line → vehicle."""
    segments, fleet = town.segment_names, town.lines.fleet
    found = [(town.junction_names[junction], segments[at]) for at, junction in enumerate(town.streets.end.tolist())]
    found += [(segments[at], name) for at, name in zip(town.counted.tolist(), town.counter_names, strict=True)]
    found += [(town.lines.names[at // fleet], name) for at, name in enumerate(town.vehicle_names)]
    return tuple(found)


@lru_cache(maxsize=3)
def usual_state(town: Town, day: ServiceDay) -> TrafficState:
    """Return the traffic of a service day without faults."""
    return load_day(town, day, np.ones((1, 1)))


def load_day(
    town: Town, day: ServiceDay, open_share: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> TrafficState:
    """Return the traffic of a service day; `open_share` is what faults leave of each segment's capacity."""
    sources = sources_per_h(town.streets, town.seed, town.calendar, town.surroundings, day)
    return load(town.streets, sources, rain_of(town.surroundings, day), open_share)


@lru_cache(maxsize=4)
def timetable_of(town: Town, day: ServiceDay) -> Timetable:
    """Return the timetable of a service day."""
    return build_timetable(town.lines, town.streets, town.calendar, day)
