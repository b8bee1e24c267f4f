"""The timetable of a service day: which vehicle leaves when, and when it should be at each stop.

Planners know the usual traffic of the hour and the usual number of passengers; the day's own they do not know.
"""

from dataclasses import dataclass

import numpy as np

from core.calendar import Calendar
from simulators.noise import FloatArray
from simulators.traffic.hours import NODE_S, ServiceDay, clock_hours, riders_level, service_level, traffic_level
from simulators.traffic.lines import BOARDING_S, DOORS_S, LAYOVER_S, SHORTEST_HEADWAY_S, Lines
from simulators.traffic.streets import IntArray, Streets

_MARGIN = 1.02  # what planners add to the ride
_EXPECTED = 0.85  # of the passengers that come with an even headway
_QUARTER = 3  # nodes between two starts for which planners know the trip's time


@dataclass(frozen=True, slots=True)
class Timetable:
    """All trips of a service day; axes are line and trip, in the order of departure, padded with `used` False.

    Attributes
    ----------
    departs_s
        Seconds since the service day's begin.
    direction, vehicle
        Direction of the trip and rank of the vehicle in its line.
    used
        Whether there is such a trip.
    calls_s
        Shape (lines, trips, stops): when the trip should leave each stop, seconds since the service day's begin.
    arrivals_per_s
        Shape (lines,): passengers who come to all stops of one direction in a second when `riders_level` is 1.
    """

    departs_s: FloatArray
    direction: IntArray
    vehicle: IntArray
    used: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    calls_s: FloatArray
    arrivals_per_s: FloatArray


def _usual_link_s(lines: Lines, streets: Streets, level: FloatArray, riders: FloatArray) -> FloatArray:
    """Return planned seconds from stop to stop; shape (starts, lines, 2, links)."""
    ratio = streets.usual_ratio[lines.links] * level[:, None, None, None]
    waiting = (lines.riders[:, None, None] * lines.board_share[..., 1:]) * riders[:, None, None, None]
    people = _EXPECTED * BOARDING_S * np.maximum(waiting, 0.55 * waiting.mean(axis=-1, keepdims=True))
    stops = (DOORS_S * np.minimum(1.0, 0.35 + waiting) + people) * (lines.link_m > 0.0)
    slow = lines.empty_s * (1.0 + 0.15 * ratio**4 + 0.25 * ratio**8)
    planned: FloatArray = _MARGIN * (slow + lines.red_s) + stops
    return planned


def planned_calls_s(lines: Lines, streets: Streets, calendar: Calendar, day: ServiceDay) -> FloatArray:
    """Return planned seconds from a trip's departure to each stop, by quarter of an hour of the departure.

    Returns
    -------
    Shape (quarters, lines, 2, stops).
    """
    hours = clock_hours(calendar, day)[::_QUARTER]
    links = _usual_link_s(lines, streets, traffic_level(hours, day.weekday), riders_level(hours, day.weekday))
    return np.concatenate([np.zeros((*links.shape[:3], 1)), np.cumsum(links, axis=3)], axis=3)


def _departures(service: FloatArray, round_s: FloatArray, fleet: int) -> list[tuple[float, int]]:
    """Return departure and vehicle of each round trip of a line, in seconds since the service day's begin.

    The vehicle that came back last leaves next: the others stay in the depot between the rush hours.
    """
    free = [0.0] * fleet
    trips: list[tuple[float, int]] = []
    now, last = 0.0, float(service.size * NODE_S)
    while now < last:
        at = int(now // NODE_S)
        if service[at] <= 0.0:
            now += 60.0
            continue
        ready = [(since, rank) for rank, since in enumerate(free) if since <= now]
        if ready:
            _, rank = max(ready)
            trips.append((now, rank))
            free[rank] = now + round_s[at // _QUARTER]
            now += max(SHORTEST_HEADWAY_S, round(round_s[at // _QUARTER] / (service[at] * fleet) / 30.0) * 30.0)
        else:
            now = max(now + 30.0, min(free))
    return trips


def build_timetable(lines: Lines, streets: Streets, calendar: Calendar, day: ServiceDay) -> Timetable:
    """Build the timetable of a service day; it depends on the date, not on chance."""
    planned = planned_calls_s(lines, streets, calendar, day)
    trip_s = planned[..., -1]
    service = service_level(clock_hours(calendar, day)[:-1], day.weekday)
    rows = []
    for line in range(len(lines.names)):
        round_s = trip_s[:, line].sum(axis=1) + 2 * LAYOVER_S
        outward = _departures(service, round_s, lines.fleet)
        # Each day another vehicle has the long block, and another stays in the depot.
        outward = [(time, (rank + day.number) % lines.fleet) for time, rank in outward]
        both = [(time, 0, rank) for time, rank in outward]
        quarters = [int(time // (NODE_S * _QUARTER)) for time, _ in outward]
        both += [
            (time + trip_s[quarter, line, 0] + LAYOVER_S, 1, rank)
            for (time, rank), quarter in zip(outward, quarters, strict=True)
        ]
        rows.append(np.array(sorted(both)).reshape(-1, 3))
    # An ordinary rush hour is a Tuesday's, whatever day this is.
    rush = _rush_headway_s(lines, streets)
    return _padded(rows, planned, lines.riders / rush)


def _rush_headway_s(lines: Lines, streets: Streets) -> FloatArray:
    """Return the headway of each line in an ordinary rush hour; shape (lines,)."""
    links = _usual_link_s(lines, streets, np.array([0.95]), np.array([0.8]))
    round_s = links[0].sum(axis=(1, 2)) + 2 * LAYOVER_S
    headway_s: FloatArray = np.maximum(round_s / (0.95 * lines.fleet), SHORTEST_HEADWAY_S)
    return headway_s


def _padded(rows: list[FloatArray], planned: FloatArray, arrivals_per_s: FloatArray) -> Timetable:
    shape = (len(rows), max(len(row) for row in rows))
    departs_s, direction, vehicle = np.zeros(shape), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    used = np.zeros(shape, dtype=np.bool_)
    for line, row in enumerate(rows):
        at = slice(0, len(row))
        departs_s[line, at], direction[line, at], vehicle[line, at] = row[:, 0], row[:, 1], row[:, 2]
        used[line, at] = True
    quarter = np.minimum((departs_s // (NODE_S * _QUARTER)).astype(np.int64), len(planned) - 1)
    calls = planned[quarter, np.arange(len(rows))[:, None], direction] + departs_s[..., None]
    return Timetable(departs_s, direction, vehicle, used, calls, arrivals_per_s)
