"""High-Frequency Positioning v2, the way vehicles of Helsinki's region publish it.

Source: HSL, *High-frequency positioning*, version 2 (topic levels, payload keys, geohash level).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import orjson


class HfpEvent(StrEnum):
    """What a message reports; the value is the topic's level, in capitals the payload's key."""

    POSITION = "vp"
    ARRIVAL = "arr"
    DEPARTURE = "dep"


_KEYS = {event: event.value.upper() for event in HfpEvent}
_ROOTS = {event: f"/hfp/v2/journey/ongoing/{event.value}/bus/" for event in HfpEvent}


@dataclass(frozen=True, slots=True)
class Journey:
    """A trip of a vehicle: what all its messages have in common.

    Attributes
    ----------
    operator, vehicle
        Who owns the bus, and its number.
    name
        What passengers read on the bus (`desi`).
    direction
        1 or 2.
    route, line, number
        HFP's `route`, `line` and `jrn`.
    headsign
        Destination; may hold spaces, must not hold `/`, `+` or `#`.
    start
        Local time of the trip's start, HH:MM.
    operating_day
        Local date of the same, YYYY-MM-DD.
    topic_levels
        The topic's levels from the operator to the start, joined once.
    """

    operator: int
    vehicle: int
    name: str
    direction: int
    route: str
    line: int
    number: int
    headsign: str
    start: str
    operating_day: str
    topic_levels: str = field(init=False)

    def __post_init__(self) -> None:
        levels = (f"{self.operator:04d}", f"{self.vehicle:05d}", self.route, str(self.direction), self.headsign)
        object.__setattr__(self, "topic_levels", "/".join((*levels, self.start)))


class VehicleState(NamedTuple):
    """What a vehicle measures at one moment.

    Attributes
    ----------
    time
        RFC 3339 in UTC with milliseconds and Z (`tst`).
    epoch_s
        The same in whole seconds since 1970-01-01 (`tsi`).
    latitude, longitude
        WGS 84, decimal degrees, at most 6 decimals.
    speed, acceleration
        m/s and m/s2.
    heading
        Degrees clockwise from north.
    schedule_offset
        Seconds; negative is late.
    odometer
        Metres since trip start.
    door_open
        0 or 1.
    occupancy
        %.
    next_stop
        The stop at which the vehicle stands or to which it drives.
    stop
        The stop at which it stands, or that it has just left; None between stops.
    geohash_level
        First digit of the position that changed since the previous position: 0 (whole degrees) to 4, or 5 for none of
        them.
    """

    time: str
    epoch_s: int
    latitude: float
    longitude: float
    speed: float
    acceleration: float
    heading: int
    schedule_offset: int
    odometer: int
    door_open: int
    occupancy: int
    next_stop: int
    stop: int | None
    geohash_level: int


def geohash_levels(latitude: float, longitude: float) -> str:
    """Return the topic's last four levels: whole degrees, then the first three decimals of both, interleaved."""
    whole_north, _, north = f"{latitude:.6f}".partition(".")
    whole_east, _, east = f"{longitude:.6f}".partition(".")
    return f"{whole_north};{whole_east}/{north[0]}{east[0]}/{north[1]}{east[1]}/{north[2]}{east[2]}"


def encode_event(
    event: HfpEvent, journey: Journey, state: VehicleState, scheduled: str | None = None
) -> tuple[str, bytes]:
    """Encode one message of a vehicle in service.

    Parameters
    ----------
    scheduled
        RFC 3339 time at which the timetable has the vehicle at the stop, for arrivals and departures; None for
        positions, which do not state it.

    Returns
    -------
    Topic and payload.
    """
    topic = (
        f"{_ROOTS[event]}{journey.topic_levels}/{state.next_stop}/{state.geohash_level}/"
        f"{geohash_levels(state.latitude, state.longitude)}"
    )
    body: dict[str, object] = {
        "desi": journey.name,
        "dir": str(journey.direction),
        "oper": journey.operator,
        "veh": journey.vehicle,
        "tst": state.time,
        "tsi": state.epoch_s,
        "spd": state.speed,
        "hdg": state.heading,
        "lat": state.latitude,
        "long": state.longitude,
        "acc": state.acceleration,
        "dl": state.schedule_offset,
        "odo": state.odometer,
        "drst": state.door_open,
        "oday": journey.operating_day,
        "jrn": journey.number,
        "line": journey.line,
        "start": journey.start,
        "loc": "GPS",
        "stop": state.stop,
        "route": journey.route,
        "occu": state.occupancy,
    }
    if scheduled is not None:
        body["ttarr"] = body["ttdep"] = scheduled
    return topic, orjson.dumps({_KEYS[event]: body})
