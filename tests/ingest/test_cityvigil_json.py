"""City Vigil's own JSON, rule by rule."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.asset import Asset, Domain, Place
from core.message import Decoded, Message, Rejected, RejectReason
from core.units import NON_UCUM
from ingest.decoders.cityvigil_json import CityVigilJsonDecoder

TOPIC = "cityvigil/v1/water/dma/dma-1"
RECEIVED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIME = "2026-03-01T11:59:58.250Z"
AT = datetime(2026, 3, 1, 11, 59, 58, 250_000, tzinfo=UTC)
FLOW = {"metric": "flow", "value": 12.5, "unit": "m3/h"}


def decode_bytes(payload: bytes, topic: str = TOPIC) -> Decoded | Rejected:
    return CityVigilJsonDecoder().decode(Message(topic, payload, RECEIVED_AT))


def decode(payload: Any, topic: str = TOPIC) -> Decoded | Rejected:
    return decode_bytes(json.dumps(payload).encode(), topic)


def accepted(decoded: Decoded | Rejected) -> Decoded:
    assert isinstance(decoded, Decoded), decoded
    return decoded


def refused(decoded: Decoded | Rejected, reason: RejectReason) -> str:
    assert isinstance(decoded, Rejected), decoded
    assert decoded.reason is reason, decoded
    assert decoded.detail.isascii()
    return decoded.detail


def times_of(decoded: Decoded) -> list[datetime]:
    return [reading.time for reading in decoded.readings] + [event.time for event in decoded.events]


def test_reading_takes_the_time_of_the_message() -> None:
    decoded = accepted(decode({"time": TIME, "readings": [FLOW]}))
    assert decoded.readings == (("dma-1", "flow", 12.5, "m3/h", AT),)
    assert decoded.assets == (Asset("dma-1", Domain.WATER, "dma"),)
    assert decoded.own_time


def test_entry_with_its_own_time_keeps_it() -> None:
    own = AT - timedelta(minutes=5)
    entries = {"readings": [{**FLOW, "time": own.isoformat()}], "events": [{"kind": "burst", "time": own.isoformat()}]}
    for payload in ({"time": TIME, **entries}, entries):
        decoded = accepted(decode(payload))
        assert [reading.time for reading in decoded.readings] == [own]
        assert [event.time for event in decoded.events] == [own]
        assert decoded.own_time


@pytest.mark.parametrize("entries", [{"readings": [FLOW]}, {"events": [{"kind": "birth"}]}])
def test_arrival_time_counts_where_the_message_states_none(entries: dict[str, Any]) -> None:
    decoded = accepted(decode(entries))
    assert times_of(decoded) == [RECEIVED_AT]
    assert not decoded.own_time


def test_one_entry_without_a_time_is_enough_to_lack_an_own_time() -> None:
    decoded = accepted(decode({"readings": [{**FLOW, "time": TIME}, {**FLOW, "metric": "level", "unit": "m"}]}))
    assert [reading.time for reading in decoded.readings] == [AT, RECEIVED_AT]
    assert not decoded.own_time


def test_times_are_given_in_utc() -> None:
    local = AT.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    decoded = accepted(decode({"time": local, "readings": [FLOW], "events": [{"kind": "birth", "time": local}]}))
    assert [(at, at.tzinfo) for at in times_of(decoded)] == [(AT, UTC)] * 2


def test_missing_sample_is_no_reading_and_needs_no_time() -> None:
    decoded = accepted(decode({"readings": [{**FLOW, "value": None}]}))
    assert decoded.readings == ()
    assert decoded.own_time


def test_place_and_zone_describe_the_asset() -> None:
    decoded = accepted(decode({"zone": "north", "place": {"latitude": 47, "longitude": 28.8}, "readings": []}))
    assert decoded.assets == (Asset("dma-1", Domain.WATER, "dma", Place(47, 28.8), "north"),)


def test_event_carries_its_attributes() -> None:
    attributes = {"name": "Nord", "count": 3, "share": 0.5, "planned": True, "largest": 2**63 - 1}
    decoded = accepted(decode({"time": TIME, "events": [{"kind": "burst", "attributes": attributes}]}))
    (event,) = decoded.events
    assert (event.device, event.kind, event.time) == ("dma-1", "burst", AT)
    assert event.attributes == attributes
    assert type(event.attributes["planned"]) is bool
    assert type(event.attributes["count"]) is int


@pytest.mark.parametrize("payload", [{}, {"readings": []}, {"time": TIME}, {"future": [1, {"x": None}]}])
def test_message_that_says_nothing_is_lawful(payload: dict[str, Any]) -> None:
    decoded = accepted(decode(payload))
    assert (decoded.readings, decoded.events) == ((), ())


@pytest.mark.parametrize(
    "topic",
    [
        "cityvigil/",
        "cityvigil/v2/water/dma/dma-1",
        "cityvigil/v1/water/dma",
        "cityvigil/v1/water/dma/dma-1/x",
        "cityvigil/v1/air/dma/dma-1",
        "cityvigil/v1/water//dma-1",
        "cityvigil/v1/water/dma/",
        "cityvigil/v1/Water/a/b",
        "cityvigil/v1/water/dma/a\x00",
        "cityvigil/v1/water/dma/\udc00",
        "cityvigil/v1/water/dma/" + "x" * 201,
    ],
)
def test_topic_whose_levels_do_not_fit_is_malformed(topic: str) -> None:
    assert CityVigilJsonDecoder().claims(topic)
    refused(decode({"readings": [FLOW]}, topic), RejectReason.MALFORMED_TOPIC)


def test_endless_topic_is_refused() -> None:
    refused(decode({}, "cityvigil/v1/water/" + "dma/" * 15_000), RejectReason.MALFORMED_TOPIC)


@pytest.mark.parametrize("payload", [b'{"zone":"NaN"', b'{"zone":"Infinity"', b'{"zone":"NaN'])
def test_word_nan_in_a_broken_payload_is_just_text(payload: bytes) -> None:
    refused(decode_bytes(payload), RejectReason.MALFORMED_PAYLOAD)


@pytest.mark.parametrize("domain", list(Domain))
def test_each_domain_has_a_topic(domain: Domain) -> None:
    decoded = accepted(decode({}, f"cityvigil/v1/{domain}/kind of thing/Straße 1"))
    assert decoded.assets == (Asset("Straße 1", domain, "kind of thing"),)


@pytest.mark.parametrize("literal", ["true", '"12.5"', "NaN", "Infinity", "-Infinity", "1e400", "[1]", "{}"])
def test_value_that_is_no_number_is_named_by_its_path(literal: str) -> None:
    flow = json.dumps(FLOW)
    payload = f'{{"readings":[{flow},{flow},{{"metric":"flow","unit":"m3/h","value":{literal}}}]}}'
    assert refused(decode_bytes(payload.encode()), RejectReason.WRONG_TYPE).startswith("readings[2].value: ")


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"readings": {}}, "readings"),
        ({"readings": None}, "readings"),
        ({"readings": [1]}, "readings[0]"),
        ({"readings": [{"value": 1, "unit": "m"}]}, "readings[0]"),
        ({"readings": [{"metric": "flow", "unit": "m"}]}, "readings[0]"),
        ({"readings": [{"metric": "flow", "value": 1}]}, "readings[0]"),
        ({"readings": [{**FLOW, "metric": ""}]}, "readings[0].metric"),
        ({"readings": [{**FLOW, "metric": "x" * 201}]}, "readings[0].metric"),
        ({"readings": [{**FLOW, "unit": "m" * 65}]}, "readings[0].unit"),
        ({"readings": [FLOW, {**FLOW, "time": "12:00"}]}, "readings[1].time"),
        ({"readings": [{**FLOW, "time": "0001-01-01T00:00:00+14:00"}]}, "readings[0].time"),
        ({"events": [{"kind": "x", "time": "9999-12-31T23:00:00-14:00"}]}, "events[0].time"),
        ({"events": [{"kind": 1}]}, "events[0].kind"),
        ({"events": [{"kind": "x", "attributes": []}]}, "events[0].attributes"),
        ({"time": "2026-03-01T11:59:58"}, "time"),
        ({"time": None}, "time"),
        ({"time": 1_772_366_398}, "time"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "time"),
        ({"zone": 7}, "zone"),
        ({"place": {"latitude": 91, "longitude": 0}}, "place.latitude"),
        ({"place": {"latitude": 0, "longitude": -180.1}}, "place.longitude"),
        ({"place": {"latitude": 0}}, "place"),
    ],
)
def test_field_of_another_type_is_named_by_its_path(payload: Any, path: str) -> None:
    assert refused(decode(payload), RejectReason.WRONG_TYPE).startswith(f"{path}: ")


@pytest.mark.parametrize("literal", ["null", "[]", "{}", "9223372036854775808", "1e400", "NaN"])
def test_attribute_is_text_a_number_or_a_boolean(literal: str) -> None:
    payload = f'{{"events":[{{"kind":"x","attributes":{{"a":{literal}}}}}]}}'.encode()
    refused(decode_bytes(payload), RejectReason.WRONG_TYPE)


@pytest.mark.parametrize("payload", [[], None, 1, "text"])
def test_json_that_is_no_object_is_a_wrong_type(payload: Any) -> None:
    refused(decode(payload), RejectReason.WRONG_TYPE)


@pytest.mark.parametrize(
    "payload",
    [b"{", b"x", b"\xff\xfe{}", b'{"zone":"\xff"}', b"{} {}", b'{"x":NaN}', b'{"x":[Infinity]}', b'{"zone":"\\ud800"}'],
)
def test_bytes_that_are_no_json_are_malformed(payload: bytes) -> None:
    refused(decode_bytes(payload), RejectReason.MALFORMED_PAYLOAD)


@pytest.mark.parametrize(
    ("opening", "reason"),
    [
        (b'{"x":', RejectReason.MALFORMED_PAYLOAD),
        (b'{"x":[{"y":', RejectReason.MALFORMED_PAYLOAD),
        (b"[", RejectReason.WRONG_TYPE),
        (b'{"readings":[', RejectReason.MALFORMED_PAYLOAD),
        (b'{"readings":[[', RejectReason.WRONG_TYPE),
    ],
)
def test_nesting_without_end_is_refused(opening: bytes, reason: RejectReason) -> None:
    refused(decode_bytes(opening * 100_000), reason)


@pytest.mark.parametrize("field", ["value", "unknown"])
def test_number_of_five_thousand_digits_is_refused_or_ignored(field: str) -> None:
    payload = b'{"readings":[{"metric":"flow","unit":"","value":1,"' + field.encode() + b'":' + b"9" * 5_000 + b"}]}"
    decoded = decode_bytes(payload)
    if field == "value":
        refused(decoded, RejectReason.WRONG_TYPE)
    else:
        assert [reading.value for reading in accepted(decoded).readings] == [1]


@pytest.mark.parametrize("key", ["zone", "kind"])
def test_text_with_a_nul_is_a_wrong_type(key: str) -> None:
    refused(decode({"zone": "a\x00"} if key == "zone" else {"events": [{"kind": "\x00"}]}), RejectReason.WRONG_TYPE)


@pytest.mark.parametrize("unit", ["furlongs", "m³", "°C", "m)/(s", "m//s", " "])
def test_unit_that_ucum_does_not_know_is_a_mismatch(unit: str) -> None:
    detail = refused(decode({"readings": [{**FLOW, "unit": unit}]}), RejectReason.UNIT_MISMATCH)
    assert detail.startswith("readings[0].unit: ")


@pytest.mark.parametrize("unit", sorted({"m3/h", "bar", "kWh", "Cel", "%", "m[H2O]", "dB", "lx", "1"} | NON_UCUM))
def test_unit_that_is_known_passes(unit: str) -> None:
    assert accepted(decode({"time": TIME, "readings": [{**FLOW, "unit": unit}]})).readings[0].unit == unit


def test_unended_string_full_of_quotes_is_read_in_linear_time() -> None:
    # The naive search for NaN outside strings takes minutes for this: one start for each quote.
    assert refused(decode_bytes(b'{"x":NaN,"y":"' + b'\\"' * 500_000), RejectReason.MALFORMED_PAYLOAD)


name = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00/+#"), min_size=1, max_size=30)
value = st.none() | st.floats(allow_nan=False, allow_infinity=False)
offset = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
time = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=offset)  # noqa: DTZ001


@settings(deadline=None)
@given(
    asset=name,
    stated=st.none() | time,
    readings=st.lists(st.tuples(name, value, st.sampled_from(["m3/h", "", "bar"]), st.none() | time), max_size=5),
)
def test_any_lawful_message_comes_back(
    asset: str, stated: datetime | None, readings: list[tuple[str, float | None, str, datetime | None]]
) -> None:
    entries = [
        {"metric": m, "value": v, "unit": u} | ({} if t is None else {"time": t.isoformat()}) for m, v, u, t in readings
    ]
    payload = {"readings": entries} | ({} if stated is None else {"time": stated.isoformat()})
    decoded = accepted(decode(payload, f"cityvigil/v1/lighting/lamp/{asset}"))
    expected = [(asset, m, v, u, t or stated or RECEIVED_AT) for m, v, u, t in readings if v is not None]
    assert list(decoded.readings) == expected
    assert decoded.own_time == all(t or stated for _, v, _, t in readings if v is not None)
