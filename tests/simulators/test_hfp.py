from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from simulators.city import City
from simulators.encoders.hfp import HfpEvent, Journey, VehicleState, encode_event, geohash_levels
from simulators.live import LiveCity, TimedMessage
from simulators.network import LINES
from simulators.recording import read_recordings
from tests.paths import SHARED
from tests.simulators.table import MONDAY

_CAPTURES = SHARED / "captures" / "hfp"
_EVENTS = ("vp", "arr", "dep")


@pytest.fixture(scope="module")
def simulated(city: City) -> list[TimedMessage]:
    start = MONDAY + timedelta(hours=8)
    messages = LiveCity(city).messages(start, start + timedelta(minutes=20))
    return [message for message in messages if message.topic.startswith("/hfp")]


def _bodies(topics_and_payloads: Iterator[tuple[str, bytes]], event: str) -> list[tuple[list[str], dict[str, Any]]]:
    found = []
    for topic, payload in topics_and_payloads:
        levels = topic.split("/")
        if levels[3:6] == ["journey", "ongoing", event]:
            found.append((levels, orjson.loads(payload)[event.upper()]))
    return found


@pytest.mark.skipif(not _CAPTURES.is_dir(), reason="the captures of HFP are not beside the project")
@pytest.mark.parametrize("event", _EVENTS)
def test_shape_is_that_of_real_captures(simulated: list[TimedMessage], event: str) -> None:
    recorded = read_recordings(sorted(_CAPTURES.glob("*.txt")))
    real = _bodies(((message.topic, message.payload) for message in recorded), event)
    ours = _bodies(((message.topic, message.payload) for message in simulated), event)
    assert real
    assert ours
    assert {len(levels) for levels, _ in ours} == {len(levels) for levels, _ in real}
    assert {tuple(body) for _, body in ours} == {tuple(body) for _, body in real}
    kinds = {key: {type(body[key]) for _, body in real} for key in real[0][1]}
    for _, body in ours:
        assert all(type(value) in kinds[key] for key, value in body.items())
    for position in (7, 8, 12, 14):
        lengths = {len(levels[position]) for levels, _ in real}
        assert {len(levels[position]) for levels, _ in ours} <= lengths


def test_topic_and_payload_say_the_same(simulated: list[TimedMessage]) -> None:
    headsigns = {headsign for line in LINES for headsign in line.headsigns}
    for message in simulated:
        levels = message.topic.split("/")
        body = orjson.loads(message.payload)[levels[5].upper()]
        assert levels[:3] == ["", "hfp", "v2"]
        assert (int(levels[7]), int(levels[8])) == (body["oper"], body["veh"])
        assert (levels[9], levels[10], levels[12]) == (body["route"], body["dir"], body["start"])
        assert levels[11] in headsigns
        assert levels[14] in set("012345")
        assert "/".join(levels[15:]) == geohash_levels(body["lat"], body["long"])
        time = datetime.fromisoformat(body["tst"])
        assert int(time.timestamp()) == body["tsi"]
        assert body["loc"] == "GPS"


def test_journeys_start_on_a_local_day_before_they_are_driven(simulated: list[TimedMessage]) -> None:
    for message in simulated:
        body = next(iter(orjson.loads(message.payload).values()))
        local = datetime.fromisoformat(f"{body['oday']}T{body['start']}").replace(tzinfo=ZoneInfo("Europe/Bucharest"))
        driven = datetime.fromisoformat(body["tst"]) - local
        assert timedelta(minutes=-6) < driven < timedelta(minutes=40)


def test_arrivals_and_departures_alternate_at_stops_of_the_line(simulated: list[TimedMessage]) -> None:
    by_bus: dict[int, list[tuple[str, int, int, str]]] = {}
    calls = [m for event in ("arr", "dep") for m in simulated if f"/{event}/" in m.topic]
    for message in sorted(calls, key=lambda m: orjson.loads(m.payload)[m.topic.split("/")[5].upper()]["tst"]):
        event = message.topic.split("/")[5]
        body = orjson.loads(message.payload)[event.upper()]
        by_bus.setdefault(body["veh"], []).append((event, body["stop"], int(message.topic.split("/")[13]), body["dir"]))
        assert body["spd"] == 0.0
        scheduled = datetime.fromisoformat(body["ttarr"]).timestamp()
        actual = datetime.fromisoformat(body["tst"]).timestamp()
        assert (
            abs((scheduled - actual) - body["dl"]) <= 45
        )  # the offset counts along the line, the timetable in minutes
    assert len(by_bus) == 30
    for events in by_bus.values():
        for (event, stop, upcoming, direction), (following, next_stop, _, next_direction) in pairwise(events):
            if event == "dep":
                assert (following, next_stop) == ("arr", upcoming)
                assert stop != upcoming
            else:
                assert upcoming == stop
                assert following == "dep"
                assert (next_stop == stop) == (direction == next_direction)


def test_doors_open_only_where_the_bus_stands(simulated: list[TimedMessage]) -> None:
    positions = _bodies(((m.topic, m.payload) for m in simulated), "vp")
    opened = [body for _, body in positions if body["drst"]]
    assert opened
    assert all(body["spd"] == 0.0 and body["stop"] is not None for body in opened)
    assert any(body["spd"] > 8.0 for _, body in positions)


@pytest.mark.parametrize(
    ("latitude", "longitude", "levels"),
    [
        (60.345080, 25.059480, "60;25/30/45/59"),
        (60.269247, 24.853777, "60;24/28/65/93"),
        (46.0, 23.5, "46;23/05/00/00"),
    ],
)
def test_geohash_levels_are_those_of_real_messages(latitude: float, longitude: float, levels: str) -> None:
    assert geohash_levels(latitude, longitude) == levels


def test_a_real_message_is_encoded_as_it_was_published() -> None:
    journey = Journey(12, 1124, "631", 1, "4631", 662, 85, "Kulomäki", "09:12", "2024-05-23")
    state = VehicleState(
        "2024-05-23T06:47:42.412Z", 1716446862, 60.34508, 25.05948, 6.33, -2.52, 293, 35, 13387, 0, 0, 4810216, None, 4
    )
    topic, payload = encode_event(HfpEvent.POSITION, journey, state)
    assert topic == "/hfp/v2/journey/ongoing/vp/bus/0012/01124/4631/1/Kulomäki/09:12/4810216/4/60;25/30/45/59"
    real = (
        b'{"VP":{"desi":"631","dir":"1","oper":12,"veh":1124,"tst":"2024-05-23T06:47:42.412Z","tsi":1716446862,'
        b'"spd":6.33,"hdg":293,"lat":60.345080,"long":25.059480,"acc":-2.52,"dl":35,"odo":13387,"drst":0,'
        b'"oday":"2024-05-23","jrn":85,"line":662,"start":"09:12","loc":"GPS","stop":null,"route":"4631","occu":0}}'
    )
    assert payload == real.replace(b"60.345080", b"60.34508").replace(b"25.059480", b"25.05948")
