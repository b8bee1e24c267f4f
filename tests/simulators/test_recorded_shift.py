"""Times in payloads are moved, and the decoders of ingest find everything else as it was."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.message import Decoded, Message
from ingest.decoders import decode_message
from simulators.recorded_payloads import Feed, Sender, moved_time, open_document, sender_of
from simulators.recorded_shift import PayloadTimes, shift
from simulators.recording import RecordedMessage
from tests.ingest.recorded import captured, needs_captures

START = datetime(2026, 3, 14, 12, tzinfo=UTC)
DAY_S = 86_400


@pytest.mark.parametrize(
    ("topic", "sender"),
    [
        ("/hfp/v2/journey/ongoing/vp/bus/0012/01124/4631/1", Sender(Feed.HFP, "hsl:12/1124", "vp")),
        ("hfp/v2/journey/ongoing/APC/bus/0012/00000", Sender(Feed.HFP, "hsl:12/0", "apc")),
        ("cityvigil/v1/water/dma/dma-1", Sender(Feed.CITYVIGIL_JSON, "dma-1", "")),
        ("cityvigil/v1/water/dma/dma-1/more", None),
        ("cityvigil/v2/water/dma/dma-1", None),
        ("/hfp/v2/journey", None),
        ("anything", None),
    ],
)
def test_the_topic_tells_who_publishes(topic: str, sender: Sender | None) -> None:
    assert sender_of(topic) == sender


@pytest.mark.parametrize(
    ("time", "by_s", "moved"),
    [
        ("2023-10-30T04:31:10.034Z", DAY_S, "2023-10-31T04:31:10.034Z"),
        ("2024-02-28T23:59:59+02:00", 1, "2024-02-29T00:00:00+02:00"),
        ("2024-02-29 00:00:00.5-03:30", -1, "2024-02-28 23:59:59.5-03:30"),
        ("2024-02-29T00:00:00", 60, "2024-02-29T00:01:00"),
        (1_698_640_270, 5, 1_698_640_275),
        ("2024-02-29T23:59:60Z", 1, None),
        ("9999-12-31T23:59:59Z", 1, None),
        ("20240229T000000.000Z", 1, None),
        ("2024-02-29T00:00:00 o'clock", 1, None),
        ("noon", 1, None),
        (1.5, 1, None),
        (True, 1, None),
        (None, 1, None),
    ],
)
def test_a_time_keeps_its_writing(time: object, by_s: int, moved: object) -> None:
    assert moved_time(time, by_s) == moved


@given(
    st.timedeltas(timedelta(days=-20_000), timedelta(days=20_000)),
    st.integers(-14 * 60, 14 * 60),
    st.integers(-(10**9), 10**9),
)
def test_a_moved_time_is_later_by_exactly_that(after: timedelta, minutes: int, by_s: int) -> None:
    stated = (START + after).astimezone(timezone(timedelta(minutes=minutes)))
    moved = moved_time(stated.isoformat(), by_s)
    assert isinstance(moved, str)
    assert datetime.fromisoformat(moved) == stated + timedelta(seconds=by_s)


@needs_captures
def test_captured_messages_say_the_same_at_another_time() -> None:
    counted, by_s = PayloadTimes(), 400 * DAY_S + 7
    for message in captured():
        recorded = RecordedMessage(message.received_at, message.topic, message.payload)
        moved = shift(recorded, by_s, counted)
        assert moved.received_at == recorded.received_at + timedelta(seconds=by_s)
        before, after = (
            decode_message(message, 10**6),
            decode_message(Message(moved.topic, moved.payload, moved.received_at), 10**6),
        )
        assert isinstance(before, Decoded)
        assert isinstance(after, Decoded)
        later = timedelta(seconds=by_s)
        assert after.readings == tuple(one._replace(time=one.time + later) for one in before.readings)
        assert [(e.kind, e.time, e.attributes) for e in after.events] == [
            (e.kind, e.time + later, e.attributes) for e in before.events
        ]
        (body,), (moved_body,) = (json.loads(one.payload).values() for one in (recorded, moved))
        if "tsi" in body:
            assert moved_body["tsi"] == body["tsi"] + by_s
    assert (counted.moved, counted.none, counted.left) == (len(captured()), 0, 0)


def city_message(body: object) -> RecordedMessage:
    return RecordedMessage(START, "cityvigil/v1/water/dma/dma-1", json.dumps(body).encode())


def test_all_times_of_city_vigil_json_are_moved_and_no_attribute() -> None:
    counted = PayloadTimes()
    body = {
        "time": "2026-03-14T12:00:00Z",
        "readings": [
            {"metric": "flow", "value": 1.5, "unit": "m3/h", "time": "2026-03-14T11:59:00.25+00:00"},
            {"metric": "pressure", "value": 4, "unit": "bar"},
        ],
        "events": [{"kind": "burst", "time": "2026-03-14T11:00:00Z", "attributes": {"time": "2026-03-14T10:00:00Z"}}],
        "note": "ä \ud800",
    }
    moved = json.loads(shift(city_message(body), 60, counted).payload)
    assert moved == {
        **body,
        "time": "2026-03-14T12:01:00Z",
        "readings": [
            {"metric": "flow", "value": 1.5, "unit": "m3/h", "time": "2026-03-14T12:00:00.25+00:00"},
            {"metric": "pressure", "value": 4, "unit": "bar"},
        ],
        "events": [{"kind": "burst", "time": "2026-03-14T11:01:00Z", "attributes": {"time": "2026-03-14T10:00:00Z"}}],
    }
    assert (counted.moved, counted.none, counted.left) == (1, 0, 0)


@pytest.mark.parametrize(
    ("message", "none", "left"),
    [
        (city_message({"readings": []}), 1, 0),
        (city_message({"time": None}), 1, 0),
        (city_message({"readings": 5, "events": [7]}), 1, 0),
        (city_message({"time": "noon"}), 0, 1),
        (city_message([1]), 0, 1),
        (RecordedMessage(START, "cityvigil/v1/water/dma/dma-1", b""), 0, 1),
        (RecordedMessage(START, "cityvigil/v1/water/dma/dma-1", b"[" * 100_000), 0, 1),
        (RecordedMessage(START, "cityvigil/v1/water/dma/dma-1", b'{"x":\xff}'), 0, 1),
        (RecordedMessage(START, "other/feed", b'{"time":"2026-03-14T12:00:00Z"}'), 0, 1),
    ],
)
def test_what_cannot_be_moved_goes_out_as_recorded_and_is_counted(
    message: RecordedMessage, none: int, left: int
) -> None:
    counted = PayloadTimes()
    moved = shift(message, 60, counted)
    assert moved.payload == message.payload
    assert moved.received_at == START + timedelta(seconds=60)
    assert (counted.moved, counted.none, counted.left) == (0, none, left)


def test_payloads_stay_as_they_are_unless_their_times_are_to_be_moved() -> None:
    message = city_message({"time": "2026-03-14T12:00:00Z"})
    assert shift(message, -60, None).payload == message.payload


@pytest.mark.parametrize(
    ("path", "value"),
    [("a.b.1.c", 5), ("a.b.0", "x"), ("a.b.2", None), ("a.x", None), ("a.b.x", None), ("a.b.0.c", None), ("d", 1.5)],
)
def test_a_path_leads_through_names_and_numbers(path: str, value: object) -> None:
    document = open_document(RecordedMessage(START, "any", b'{"a":{"b":["x",{"c":5}]},"d":1.5}'))
    assert document is not None
    slot = document.at(path)
    assert (slot.value if slot is not None else None) == value


@pytest.mark.parametrize("payload", [b"", b"5", b'"text"', b"{", b"\xff"])
def test_a_payload_without_places_cannot_be_changed(payload: bytes) -> None:
    assert open_document(RecordedMessage(START, "any", payload)) is None
