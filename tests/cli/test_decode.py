"""`cityvigil decode`: JSON lines in, JSON lines out."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.decode import Window, decode_lines, rfc3339
from tests.ingest.recorded import example, manifest, needs_examples

LIMIT = 262_144
TOPIC = "cityvigil/v1/water/dma/dma-1"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT = {"kind": "burst", "attributes": {"planned": False}}


class StandingClock:
    """Shows one time for ever."""

    def now(self) -> datetime:
        return NOW

    def to_wall_s(self, span_s: float) -> float:
        return span_s


def line(payload: bytes, topic: str = TOPIC, **fields: Any) -> bytes:
    record = {"topic": topic, "payload_b64": base64.b64encode(payload).decode(), **fields}
    return json.dumps(record).encode() + b"\n"


def decode(*lines: bytes, window: Window | None = None) -> list[dict[str, Any]]:
    return [json.loads(answer) for answer in decode_lines(lines, StandingClock(), LIMIT, window)]


def own(time: str | None = None) -> bytes:
    stated = {} if time is None else {"time": time}
    readings = [{"metric": "flow", "value": 12.5, "unit": "m3/h"}]
    return json.dumps({"readings": readings, "events": [EVENT], **stated}).encode()


def test_readings_and_events_of_a_message() -> None:
    time = "2026-03-01T11:59:58.25Z"
    assert decode(line(own(time), received_at="2026-03-01T12:00:00Z", retained=False)) == [
        {
            "readings": [["dma-1", "flow", 12.5, "m3/h", "2026-03-01T11:59:58.250Z"]],
            "events": [["dma-1", "burst", "2026-03-01T11:59:58.250Z", {"planned": False}]],
            "rejected": None,
        }
    ]


@pytest.mark.parametrize(
    ("fields", "arrival"),
    [
        ({}, "2026-03-01T12:00:00Z"),
        ({"received_at": None, "retained": None}, "2026-03-01T12:00:00Z"),
        ({"received_at": "2020-02-29T23:30:00-02:00", "retained": True}, "2020-03-01T01:30:00Z"),
    ],
)
def test_arrival_time_is_the_stated_one_or_now(fields: dict[str, Any], arrival: str) -> None:
    (answer,) = decode(line(own(), **fields))
    assert [reading[4] for reading in answer["readings"]] == [arrival]


def test_rejected_message_names_reason_and_detail() -> None:
    (answer,) = decode(line(b"{}", "plant/1"))
    assert answer == {"readings": [], "events": [], "rejected": "unknown_topic: no decoder claims the topic"}


def test_old_capture_is_refused_only_if_the_window_is_asked_for() -> None:
    old = line(own("1999-12-31T00:00:00Z"))
    window = Window(timedelta(days=400), timedelta(minutes=10))
    assert decode(old)[0]["rejected"] is None
    (answer,) = decode(old, window=window)
    assert answer["readings"] == []
    assert answer["rejected"].startswith("time_out_of_window: flow at 1999-12-31")
    assert decode(line(own("1999-12-31T00:00:00Z"), received_at="2000-01-01T00:00:00Z"), window=window)[0]["readings"]


BAD_LINES = [
    b"",
    b"\n",
    b"{",
    b"[]",
    b"\xff",
    b"[" * 100_000,
    b"{}",
    b'{"topic":"a"}',
    b'{"topic":1,"payload_b64":""}',
    b'{"topic":"a","payload_b64":null}',
    b'{"topic":"a","payload_b64":"*"}',
    b'{"topic":"a","payload_b64":"abc"}',
    '{"topic":"a","payload_b64":"é"}'.encode(),
    b'{"topic":"a","payload_b64":"","received_at":"noon"}',
    b'{"topic":"a","payload_b64":"","received_at":"0001-01-01T00:00:00+14:00"}',
    b'{"topic":"a","payload_b64":"","retained":"no"}',
]


def test_bad_line_is_rejected_with_its_number_and_the_rest_goes_on() -> None:
    good = line(own())
    lines = [each for bad in BAD_LINES for each in (bad, good)]
    answers = decode(*lines)
    assert len(answers) == len(lines)
    for number, answer in enumerate(answers, start=1):
        if number % 2:
            assert answer["rejected"].startswith(f"bad_line: line {number}: ")
            assert answer["readings"] == answer["events"] == []
        else:
            assert answer["rejected"] is None
            assert answer["readings"]


def test_lines_are_answered_as_they_come() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield line(own())

    answers = decode_lines(endless(), StandingClock(), LIMIT)
    assert [json.loads(next(answers))["rejected"] for _ in range(3)] == [None] * 3
    assert taken == 3


@needs_examples
def test_examples_come_back_as_their_manifest_says() -> None:
    names = [name for name, entry in manifest().items() if entry["kind"] == "captured"]
    lines = [line(message.payload, message.topic) for message in map(example, names)]
    for name, answer in zip(names, decode(*lines), strict=True):
        assert answer["rejected"] is None
        assert sorted(answer["readings"]) == sorted(manifest()[name]["expect"])


@settings(deadline=None)
@given(st.lists(st.binary() | st.builds(line, st.binary(), st.sampled_from([TOPIC, "/hfp/v2/x", "y"])), max_size=5))
def test_any_lines_give_as_many_answers(lines: list[bytes]) -> None:
    assert [set(answer) for answer in decode(*lines)] == [{"readings", "events", "rejected"}] * len(lines)


@pytest.mark.parametrize(
    ("microsecond", "written"),
    [(0, "12:00:00Z"), (40_000, "12:00:00.040Z"), (999_000, "12:00:00.999Z"), (1, "12:00:00.000001Z")],
)
def test_times_are_written_as_short_as_they_are_exact(microsecond: int, written: str) -> None:
    time = NOW.replace(microsecond=microsecond)
    assert rfc3339(time) == f"2026-03-01T{written}"
    assert datetime.fromisoformat(rfc3339(time)) == time
