"""HFP v2, rule by rule, on messages written here."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.asset import Asset, Domain
from core.message import Decoded, Message, Rejected, RejectReason
from ingest.decoders.hfp import EVENT_KINDS, HfpDecoder

RECEIVED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIME = "2026-03-01T11:59:58.250Z"
AT = datetime(2026, 3, 1, 11, 59, 58, 250_000, tzinfo=UTC)
SHORT = "/hfp/v2/journey/ongoing/{type}/bus/0022/00754"
LONG = SHORT + "/2112/1/Matinkylä (M)/10:15/2314215/4/60;24/17/53/99"

NUMBERS = ["lat", "long", "spd", "hdg", "acc", "dl", "odo", "drst", "occu"]


def decode(topic: str, payload: bytes) -> Decoded | Rejected:
    return HfpDecoder().decode(Message(topic, payload, RECEIVED_AT))


def decode_body(body: dict[str, Any], event_type: str = "vp", topic: str = SHORT) -> Decoded | Rejected:
    payload = json.dumps({event_type.upper(): {"tst": TIME, **body}})
    return decode(topic.format(type=event_type), payload.encode())


def accepted(decoded: Decoded | Rejected) -> Decoded:
    assert isinstance(decoded, Decoded), decoded
    return decoded


def reason(decoded: Decoded | Rejected) -> RejectReason:
    assert isinstance(decoded, Rejected), decoded
    assert decoded.detail.isascii()
    return decoded.reason


def test_operator_of_the_topic_owns_the_vehicle() -> None:
    decoded = accepted(decode_body({"oper": 6, "veh": 99, "spd": 1.5}))
    assert decoded.readings == (("hsl:22/754", "speed", 1.5, "m/s", AT),)
    assert decoded.assets == (Asset("hsl:22/754", Domain.TRANSPORT, "vehicle"),)
    assert decoded.own_time


def test_vehicle_zero_keeps_its_zero() -> None:
    payload = b'{"VP":{"tst":"2026-03-01T11:59:58.250Z","spd":1}}'
    decoded = accepted(decode("/hfp/v2/journey/ongoing/vp/tram/0000/00000", payload))
    assert decoded.readings[0].device == "hsl:0/0"


def test_leading_slash_may_be_missing() -> None:
    with_slash, without = (decode_body({"spd": 3}, topic=topic) for topic in (LONG, LONG.removeprefix("/")))
    assert accepted(with_slash) == accepted(without)
    assert accepted(without).readings


@pytest.mark.parametrize("field", NUMBERS)
def test_null_is_no_reading(field: str) -> None:
    decoded = accepted(decode_body({**dict.fromkeys(NUMBERS, 1), field: None}))
    assert len(decoded.readings) == len(NUMBERS) - 1
    assert accepted(decode_body({field: None})).readings == ()


def test_message_without_any_number_is_lawful() -> None:
    assert accepted(decode_body({})).readings == ()


def test_boundary_times_are_read_to_the_microsecond_and_in_utc() -> None:
    decoded = accepted(decode_body({"tst": "2026-03-01T13:59:58.250001+02:00", "spd": 0}))
    assert decoded.readings[0].time == AT.replace(microsecond=250_001)
    assert decoded.readings[0].time.tzinfo is UTC


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(
    "literal", ["true", "false", '"12.5"', '"1_000"', "1e400", "-1e400", "Infinity", "-Infinity", "[1]", "{}"]
)
def test_what_is_no_json_number_is_a_wrong_type_naming_the_field(field: str, literal: str) -> None:
    rejected = decode(SHORT.format(type="vp"), f'{{"VP":{{"tst":"{TIME}","{field}":{literal}}}}}'.encode())
    assert reason(rejected) is RejectReason.WRONG_TYPE
    assert isinstance(rejected, Rejected)
    assert rejected.detail.startswith(f"{field}: ")


@pytest.mark.parametrize("literal", ["1_000", "0x10", "01", "+1", ".5", "1.", "nan", "-NaN", "NaNs", "1NaN", "inf"])
def test_number_that_json_does_not_know_is_malformed(literal: str) -> None:
    rejected = decode(SHORT.format(type="vp"), f'{{"VP":{{"tst":"{TIME}","spd":{literal}}}}}'.encode())
    assert reason(rejected) is RejectReason.MALFORMED_PAYLOAD


def test_nan_inside_a_string_is_text() -> None:
    payload = f'{{"DEP":{{"tst":"{TIME}","spd":NaN,"hdg":NaN,"acc":1,"desi":"NaN \\" NaN","route":"Infinity"}}}}'
    decoded = accepted(decode(SHORT.format(type="dep"), payload.encode()))
    assert [reading.metric for reading in decoded.readings] == ["acceleration"]
    assert decoded.events[0].attributes == {"line": 'NaN " NaN', "route": "Infinity"}


def test_the_last_of_two_equal_names_counts() -> None:
    payload = f'{{"VP":{{"tst":"{TIME}","spd":1,"spd":2}}}}'.encode()
    assert accepted(decode(SHORT.format(type="vp"), payload)).readings[0].value == 2


@pytest.mark.parametrize("body", [{"tst": None, "spd": 1}, {"tst": None}])
def test_time_of_null_is_missing(body: dict[str, Any]) -> None:
    assert reason(decode_body(body)) is RejectReason.MISSING_TIME


def test_time_that_is_absent_is_missing() -> None:
    assert reason(decode(SHORT.format(type="vp"), b'{"VP":{"spd":1}}')) is RejectReason.MISSING_TIME


@pytest.mark.parametrize(
    "time",
    [
        1772366398,
        True,
        "",
        "yesterday",
        "2026-03-01T11:59:58",
        "2026-03-01",
        "2026-02-29T00:00:00Z",
        ["x"],
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_time_that_names_no_instant_is_a_wrong_type(time: Any) -> None:
    assert reason(decode_body({"tst": time, "spd": 1})) is RejectReason.WRONG_TYPE


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"{}",
        b"\xff",
        b'{"VP":{"tst":"\xff"}}',
        b"\xef\xbb\xbf{}",
        b'{"VP":',
        b"hello",
        b'{"DOO":{"tst":"2026-03-01T11:59:58Z"}}',
        b'{"vp":{"tst":"2026-03-01T11:59:58Z"}}',
        b'{"VP":{"tst":"2026-03-01T11:59:58Z"},"DOO":{"tst":"2026-03-01T11:59:58Z"}}',
        b'{"VP":{"tst":"2026-03-01T11:59:58Z","loc":"\xe4"}}',
    ],
)
def test_payload_that_is_not_the_announced_object_is_malformed(payload: bytes) -> None:
    assert reason(decode(SHORT.format(type="vp"), payload)) is RejectReason.MALFORMED_PAYLOAD


def test_nesting_without_end_is_malformed() -> None:
    assert reason(decode(SHORT.format(type="vp"), b'{"VP":{"x":' + b"[" * 100_000)) is RejectReason.MALFORMED_PAYLOAD


@pytest.mark.parametrize("payload", [b"[]", b"null", b"1", b'"x"', b'{"VP":null}', b'{"VP":[]}', b'{"VP":1}'])
def test_json_of_another_shape_is_a_wrong_type(payload: bytes) -> None:
    assert reason(decode(SHORT.format(type="vp"), payload)) is RejectReason.WRONG_TYPE


@pytest.mark.parametrize(
    "topic",
    [
        "/hfp/",
        "hfp/",
        "/hfp/v1/journey/ongoing/vp/bus/0022/00754",
        "/hfp/v3/journey/ongoing/vp/bus/0022/00754",
        "/hfp/v2/journey/ongoing/vp/bus/0022",
        "/hfp/v2/journey/ongoing/vp/bus/0022/00754/2112",
        LONG + "/1/2",
        "/hfp/v2/journey/ongoing/vp/bus/x/00754",
        "/hfp/v2/journey/ongoing/vp/bus/0022/",
        "/hfp/v2/journey/ongoing/vp/bus/٢٢/00754",
        "/hfp/v2/journey/ongoing/vp/bus/-22/00754",
        "/hfp/v2/journey/ongoing/vp/bus/0022/" + "7" * 500,
        "/hfp/v2/journey/ongoing/vp/bus/22 /754",
        "/hfp/v2/journey/ongoing//bus/0022/00754",
        "/hfp/v2/journey/ongoing/v\x00/bus/0022/00754",
        "/hfp/v2/journey/ongoing/vp\n/bus/0022/00754",
        "/hfp/v2/journey/ongoing/vp/bus/0022/00754\n",
    ],
)
def test_topic_whose_levels_do_not_fit_is_malformed(topic: str) -> None:
    payload = f'{{"VP":{{"tst":"{TIME}","spd":1}}}}'.encode()
    assert HfpDecoder().claims(topic)
    assert reason(decode(topic.replace("{type}", "vp"), payload)) is RejectReason.MALFORMED_TOPIC


def test_topic_of_another_version_is_named() -> None:
    rejected = decode("/hfp/v3/journey/ongoing/vp/bus/0022/00754", b"{}")
    assert rejected == Rejected(RejectReason.MALFORMED_TOPIC, "HFP version 'v3' is not v2")


EVENT_BODY = {
    "desi": "112",
    "dir": "1",
    "spd": 4.5,
    "oday": "2026-03-01",
    "jrn": 102,
    "line": 227,
    "start": "10:15",
    "stop": 2314214,
    "route": "2112",
}


@pytest.mark.parametrize("event_type", sorted(EVENT_KINDS))
def test_event_carries_line_direction_trip_and_stop(event_type: str) -> None:
    decoded = accepted(decode_body(EVENT_BODY, event_type, LONG))
    assert [reading.metric for reading in decoded.readings] == ["speed"]
    (event,) = decoded.events
    assert (event.device, event.kind, event.time) == ("hsl:22/754", EVENT_KINDS[event_type], AT)
    assert event.attributes == {
        "line": "112",
        "direction": "1",
        "trip": "2026-03-01/10:15/102",
        "stop": "2314214",
        "route": "2112",
        "headsign": "Matinkylä (M)",
        "next_stop": "2314215",
    }


def test_each_event_type_of_the_standard_has_a_kind_of_its_own() -> None:
    standard = [
        "due",
        "arr",
        "dep",
        "ars",
        "pde",
        "pas",
        "wait",
        "doo",
        "doc",
        "tlr",
        "tla",
        "da",
        "dout",
        "ba",
        "bout",
        "vja",
        "vjout",
    ]
    assert set(EVENT_KINDS) == set(standard)
    assert len(set(EVENT_KINDS.values())) == len(standard)


@pytest.mark.parametrize(
    ("body", "topic", "attributes"),
    [
        ({}, SHORT, {}),
        ({"desi": None, "dir": "", "stop": None}, SHORT, {}),
        ({"oday": "2026-03-01", "start": None, "jrn": 5}, SHORT, {}),
        ({"oday": "2026-03-01", "start": "10:15", "jrn": None}, SHORT, {"trip": "2026-03-01/10:15"}),
        ({}, SHORT + "/2112/1//10:15//0////", {}),
        ({}, SHORT + "/2112/1/Depot/10:15/EOL/0////", {"headsign": "Depot", "next_stop": "EOL"}),
        ({}, SHORT + "/2112/1/Depot/10:15/EOL/0/////2107", {"headsign": "Depot", "next_stop": "EOL"}),
    ],
)
def test_event_leaves_out_what_is_null_or_empty(body: dict[str, Any], topic: str, attributes: dict[str, str]) -> None:
    (event,) = accepted(decode_body(body, "bout", topic)).events
    assert event.attributes == attributes


def test_position_is_no_event() -> None:
    assert accepted(decode_body(EVENT_BODY, "vp", LONG)).events == ()


def test_event_type_that_nobody_knows_keeps_its_name() -> None:
    decoded = accepted(decode_body({"spd": 1}, "newtype"))
    assert [reading.value for reading in decoded.readings] == [1]
    assert [event.kind for event in decoded.events] == ["newtype"]


@pytest.mark.parametrize("value", [True, 1.5, [], {}, 10**30, "a\x00b"])
def test_attribute_that_no_database_can_hold_is_a_wrong_type(value: Any) -> None:
    assert reason(decode_body({"stop": value}, "dep")) is RejectReason.WRONG_TYPE


def test_escaped_backslash_before_u0000_is_text() -> None:
    (event,) = accepted(decode_body({"desi": r"\u0000"}, "dep")).events
    assert event.attributes == {"line": "\\u0000"}


@pytest.mark.parametrize("headsign", ["a\x00b", "\ud800"])
def test_headsign_that_no_database_can_hold_is_a_malformed_topic(headsign: str) -> None:
    topic = SHORT + f"/2112/1/{headsign}/10:15//0////"
    assert reason(decode_body({}, "dep", topic)) is RejectReason.MALFORMED_TOPIC


def counts(load: float | None, *doors: list[tuple[float | None, float | None]]) -> dict[str, Any]:
    door_counts = [{"count": [{"class": "adult", "in": i, "out": o} for i, o in door]} for door in doors]
    return {"vehiclecounts": {"vehicleload": load, "doorcounts": door_counts}}


@pytest.mark.parametrize("event_type", ["apc", "apc-partial"])
def test_passenger_counts_are_summed_over_doors_and_classes(event_type: str) -> None:
    body = {"lat": 60.1, "long": 24.9, "tst": TIME, **counts(7, [(1, 2), (3, 0)], [(0, 5)])}
    decoded = accepted(decode(SHORT.format(type=event_type), json.dumps({"APC": body}).encode()))
    assert decoded.events == ()
    assert [(reading.metric, reading.value, reading.unit, reading.time) for reading in decoded.readings] == [
        ("passengers_on_board", 7, "", AT),
        ("boardings", 4, "count", AT),
        ("alightings", 7, "count", AT),
    ]


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (counts(None), {}),
        (counts(0), {"passengers_on_board": 0}),
        (counts(None, []), {}),
        (counts(None, [(None, None)]), {}),
        (counts(None, [(None, 1)], [(None, 2)]), {"alightings": 3}),
        ({"vehiclecounts": None}, {}),
        ({}, {}),
    ],
)
def test_passenger_count_that_is_not_known_is_no_reading(body: dict[str, Any], values: dict[str, float]) -> None:
    payload = json.dumps({"APC": {"tst": TIME, **body}}).encode()
    decoded = accepted(decode(SHORT.format(type="apc"), payload))
    assert {reading.metric: reading.value for reading in decoded.readings} == values


@pytest.mark.parametrize("body", [counts(1, [(1e308, 0)] * 2), {"vehiclecounts": {"vehicleload": "7"}}])
def test_passenger_count_out_of_range_is_a_wrong_type(body: dict[str, Any]) -> None:
    payload = json.dumps({"APC": {"tst": TIME, **body}}).encode()
    assert reason(decode(SHORT.format(type="apc"), payload)) is RejectReason.WRONG_TYPE


finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)


@settings(deadline=None)
@given(
    body=st.dictionaries(st.sampled_from(NUMBERS), st.none() | finite),
    time=st.datetimes(timezones=st.just(UTC)),
    operator=st.integers(0, 9_999),
    vehicle=st.integers(0, 99_999),
)
def test_any_lawful_position_comes_back(
    body: dict[str, float | None], time: datetime, operator: int, vehicle: int
) -> None:
    topic = f"/hfp/v2/journey/ongoing/vp/bus/{operator:04}/{vehicle:05}"
    payload = json.dumps({"VP": {"tst": time.isoformat(), **body}}).encode()
    readings = accepted(decode(topic, payload)).readings
    assert sorted(reading.value for reading in readings) == sorted(float(v) for v in body.values() if v is not None)
    assert {reading.device for reading in readings} <= {f"hsl:{operator}/{vehicle}"}
    assert {reading.time for reading in readings} <= {time}
