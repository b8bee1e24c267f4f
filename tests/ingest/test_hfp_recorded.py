"""HFP as it was really published: the examples with their expectations, and every captured line."""

import json
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from core.message import Decoded, Message, Rejected, RejectReason
from core.reading import DecodedReading
from ingest.decoders import decode_message
from tests.ingest.recorded import captured, example, manifest, needs_captures, needs_examples

LIMIT = 262_144

Row = tuple[str, str, float, str, datetime]

PARTLY_LISTED: dict[str, list[tuple[str, float, str]]] = {
    "18": [("acceleration", 0.44, "m/s2"), ("door_open", 0, "0/1"), ("occupancy", 0, "%")],
    "21": [("heading", 225, "deg"), ("acceleration", 0, "m/s2"), ("odometer", 2819, "m"), ("door_open", 0, "0/1")],
}
"""What the payloads of two published examples hold besides the readings that their expectation lists."""

FIELDS = {
    "lat": ("latitude", "deg"),
    "long": ("longitude", "deg"),
    "spd": ("speed", "m/s"),
    "hdg": ("heading", "deg"),
    "acc": ("acceleration", "m/s2"),
    "dl": ("schedule_offset", "s"),
    "odo": ("odometer", "m"),
    "drst": ("door_open", "0/1"),
    "occu": ("occupancy", "%"),
}


def readings_of(message: Message) -> set[DecodedReading]:
    decoded = decode_message(message, LIMIT)
    assert isinstance(decoded, Decoded), decoded
    assert len(decoded.readings) == len(set(decoded.readings))
    return set(decoded.readings)


def row(device: str, metric: str, value: float, unit: str, time: str) -> Row:
    return device, metric, value, unit, datetime.fromisoformat(time)


def listed(entry: dict[str, Any]) -> set[Row]:
    return {row(*reading) for reading in entry["expect"]}


@needs_examples
@pytest.mark.parametrize("name", [name for name, entry in manifest().items() if entry["expect"]])
def test_example_yields_exactly_the_readings_it_must(name: str) -> None:
    expected = listed(manifest()[name])
    device, *_, time = next(iter(expected))
    unlisted = {(device, metric, value, unit, time) for metric, value, unit in PARTLY_LISTED.get(name, [])}
    assert readings_of(example(name)) == expected | unlisted


@needs_examples
@pytest.mark.parametrize("name", [name for name, entry in manifest().items() if entry["expect"] == []])
def test_example_that_must_be_refused_is_refused(name: str) -> None:
    rejected = decode_message(example(name), LIMIT)
    assert isinstance(rejected, Rejected)
    assert rejected.reason is RejectReason.MISSING_TIME


@needs_examples
def test_every_example_has_a_test_here() -> None:
    in_words = {name for name, entry in manifest().items() if entry["expect"] is None}
    assert in_words == {"20", "25", "26"}
    assert len(manifest()) == 16


@needs_examples
def test_example_20_unknown_words_do_not_cost_the_numbers() -> None:
    values = {
        ("latitude", 60.174129, "deg"),
        ("longitude", 24.796323, "deg"),
        ("speed", 11.51, "m/s"),
        ("heading", 241, "deg"),
        ("acceleration", 0.58, "m/s2"),
        ("schedule_offset", -28, "s"),
        ("odometer", 653, "m"),
        ("door_open", 0, "0/1"),
        ("occupancy", 0, "%"),
    }
    expected = {row("hsl:22/754", *value, "2019-10-21T07:16:36.992Z") for value in values}
    assert readings_of(example("20")) == expected


@needs_examples
def test_example_25_bare_nan_costs_one_field_only() -> None:
    without_speed = {reading for reading in listed(manifest()["01"]) if reading[1] != "speed"}
    assert len(without_speed) == 8
    assert readings_of(example("25")) == without_speed


@needs_examples
def test_example_26_redelivery_says_the_same_again() -> None:
    assert readings_of(example("26")) == listed(manifest()["01"])


@needs_examples
@pytest.mark.parametrize("name", list(manifest()))
def test_example_cut_at_any_byte_is_refused_not_raised(name: str) -> None:
    whole = example(name)
    for length in range(1, len(whole.payload.rstrip())):
        cut = decode_message(Message(whole.topic, whole.payload[:length], whole.received_at), LIMIT)
        assert isinstance(cut, Rejected), length
        assert cut.reason is not RejectReason.DECODER_FAILED, cut


@needs_captures
def test_captures_hold_what_their_readme_says() -> None:
    assert len(captured()) == 1912


@needs_captures
def test_every_captured_message_reads_as_plain_json_does() -> None:
    for message in captured():
        (body,) = json.loads(message.payload).values()
        operator, vehicle = message.topic.split("/")[7:9]
        expected = {
            (f"hsl:{int(operator)}/{int(vehicle)}", metric, body[field], unit, datetime.fromisoformat(body["tst"]))
            for field, (metric, unit) in FIELDS.items()
            if body.get(field) is not None
        }
        assert readings_of(message) == expected


@needs_captures
def test_every_captured_message_but_positions_is_one_event() -> None:
    kinds: Counter[str] = Counter()
    for message in captured():
        decoded = decode_message(message, LIMIT)
        assert isinstance(decoded, Decoded)
        assert len(decoded.events) == (0 if "/vp/" in message.topic else 1)
        kinds.update(event.kind for event in decoded.events)
    assert kinds == {
        "due": 21,
        "departure": 17,
        "stop_entered": 16,
        "arrival": 16,
        "departure_ready": 16,
        "door_open": 14,
        "door_close": 13,
        "trip_sign_in": 10,
        "trip_sign_out": 10,
        "waiting": 9,
        "block_sign_out": 2,
        "stop_passed": 1,
    }
