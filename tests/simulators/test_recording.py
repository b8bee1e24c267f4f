import base64
import gzip
import json
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputFileError
from simulators.recorded_blocks import pack_block
from simulators.recording import CutOffWarning, RecordedMessage, parse_line, read_recordings, to_lines
from tests.paths import SHARED

_CAPTURES = SHARED / "captures" / "hfp"
_TIME = b"2024-05-23T06:48:33.366814Z"


@pytest.mark.skipif(not _CAPTURES.is_dir(), reason="the captures of HFP are not beside the project")
def test_every_line_of_the_captures_is_a_message() -> None:
    messages = list(read_recordings(sorted(_CAPTURES.glob("*.txt"))))
    assert len(messages) == 1912
    for message in messages:
        assert message.topic.startswith("/hfp/v2/")
        (key,) = orjson.loads(message.payload)
        assert key == message.topic.split("/")[5].upper()
        assert message.received_at.tzinfo is UTC
    assert any(" " in message.topic for message in messages)


@pytest.mark.parametrize(
    ("rest", "topic", "payload"),
    [
        (b'a/b {"x":1}', "a/b", b'{"x":1}'),
        (b'a/Piata {Mare}/b {"x":{"y": [1, {"z": 2}]}}', "a/Piata {Mare}/b", b'{"x":{"y": [1, {"z": 2}]}}'),
        (b"a/two  spaces/ [1, 2]", "a/two  spaces/", b"[1, 2]"),
        (b'a/b {"x": NaN, "y": {}}', "a/b", b'{"x": NaN, "y": {}}'),
        ("a/Kulomäki/b {}".encode(), "a/Kulomäki/b", b"{}"),
    ],
)
def test_the_payload_begins_where_the_json_does(rest: bytes, topic: str, payload: bytes) -> None:
    message = parse_line(_TIME + b" " + rest)
    assert message.received_at == datetime(2024, 5, 23, 6, 48, 33, 366814, tzinfo=UTC)
    assert (message.topic, message.payload) == (topic, payload)


topics = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1).filter(
    lambda topic: not topic.endswith(" ") and " {" not in f" {topic}" and " [" not in f" {topic}"
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(topics, st.dictionaries(st.text(), values, max_size=4), st.datetimes(timezones=st.just(UTC)))
def test_what_was_written_is_read_back(topic: str, body: dict[str, object], time: datetime) -> None:
    payload = orjson.dumps(body)
    message = parse_line(b" ".join((time.isoformat().encode(), topic.encode(), payload)))
    assert (message.received_at, message.topic, message.payload) == (time, topic, payload)


def test_an_offset_is_turned_into_utc() -> None:
    message = parse_line(b"2024-05-23T09:48:33+03:00 a {}")
    assert message.received_at == datetime(2024, 5, 23, 6, 48, 33, tzinfo=UTC)


def test_files_are_read_as_given_and_blank_lines_skipped(tmp_path: Path) -> None:
    late, early = tmp_path / "b.txt", tmp_path / "a.txt"
    late.write_bytes(_TIME + b" one {}\r\n\n" + _TIME + b" two {}\n")
    early.write_bytes(_TIME + b" three {}")
    assert [message.topic for message in read_recordings([late, early])] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"2024", "a line is receive time, topic and payload"),
        (b"yesterday a {}", "the receive time is not RFC 3339"),
        (b"\xff a {}", "the receive time is not RFC 3339"),
        (b"2024-05-23T06:48:33 a {}", "the receive time has no offset"),
        (b"0001-01-01T00:00:00+03:00 a {}", "the receive time is not RFC 3339"),
        (b'{"topic":"a"}', "not a recorded message: Object missing required field `received_at`"),
        (b'{"received_at":"2024-05-23T06:48:33","topic":"a"}', "not a recorded message"),
        (b'{"received_at":"0001-01-01T00:00:00+03:00","topic":"a"}', "not a recorded message"),
        (b'{"received_at":"2024-05-23T06:48:33Z","topic":""}', "the topic is missing"),
        (b'{"received_at":"2024-05-23T06:48:33Z","topic":"a","payload_b64":"?"}', "not a recorded message"),
        (b'{"received_at":"2024-05-23T06:48:33Z","topic":"a","qos":3}', "not a recorded message"),
        (b'{"received_at":"2024-05-23T06:48:33Z","topic":"\xff"}', "not a recorded message"),
        (_TIME + b" a/b", "there is no JSON payload"),
        (_TIME + b"  {}", "the topic is missing"),
        (_TIME + b" a\xff {}", "the topic is not UTF-8"),
    ],
)
def test_a_bad_line_is_reported_with_its_file_and_number(tmp_path: Path, line: bytes, complaint: str) -> None:
    path = tmp_path / "feed.txt"
    path.write_bytes(_TIME + b" a {}\n" + line + b"\n")
    with pytest.raises(InputFileError, match=complaint) as caught:
        list(read_recordings([path]))
    assert (caught.value.path, caught.value.line) == (str(path), 2)


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="cannot be read"):
        list(read_recordings([tmp_path / "none.txt"]))


texts = st.text(st.characters(codec="utf-8"), max_size=20)
messages = st.builds(
    RecordedMessage,
    received_at=st.datetimes(timezones=st.just(UTC)),
    topic=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    payload=st.binary(max_size=60) | texts.map(str.encode),
    qos=st.integers(0, 2),
    retained=st.booleans(),
    duplicate=st.booleans(),
    user_properties=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
)


@given(st.lists(messages, max_size=5))
def test_a_recording_says_exactly_what_came(recorded: list[RecordedMessage]) -> None:
    lines = to_lines(recorded).split(b"\n")
    assert lines.pop() == b""
    assert [parse_line(line) for line in lines] == recorded


def test_a_line_is_plain_json_and_leaves_out_what_is_usual() -> None:
    at = datetime(2026, 3, 14, 12, 0, 0, 5, tzinfo=UTC)
    (text, data) = to_lines(
        [
            RecordedMessage(at, "a/b", '{"x": "ä"}'.encode()),
            RecordedMessage(at, "a", b"\xff\0", 1, True, True, (("k", "v"),)),
        ]
    ).splitlines()
    assert json.loads(text) == {"received_at": "2026-03-14T12:00:00.000005Z", "topic": "a/b", "payload": '{"x": "ä"}'}
    assert json.loads(data) == {
        "received_at": "2026-03-14T12:00:00.000005Z",
        "topic": "a",
        "payload_b64": base64.b64encode(b"\xff\0").decode(),
        "qos": 1,
        "retained": True,
        "duplicate": True,
        "user_properties": [["k", "v"]],
    }


def test_keys_that_a_later_version_may_add_are_passed_over() -> None:
    line = b'{"received_at":"2024-05-23T09:48:33+03:00","topic":"a","payload":"x","weather":"rain"}'
    assert parse_line(line) == RecordedMessage(datetime(2024, 5, 23, 6, 48, 33, tzinfo=UTC), "a", b"x")


def blocks(*sizes: int) -> tuple[list[RecordedMessage], bytes]:
    """Return messages, and a recording of them in blocks of these sizes."""
    numbers, at = count(), datetime(2026, 3, 14, tzinfo=UTC)
    made = [
        [RecordedMessage(at, f"t/{number}", b"x" * (number % 5)) for number in islice(numbers, size)] for size in sizes
    ]
    return [one for block in made for one in block], b"".join(pack_block(to_lines(block), 6) for block in made)


def test_cut_off_at_any_byte_a_recording_yields_its_first_messages_and_a_warning(tmp_path: Path) -> None:
    recorded, raw = blocks(3, 1, 4)
    path, before = tmp_path / "any.name", -1
    whole = {0, len(raw)} | {at for at in range(len(raw)) if raw[at:].startswith(b"\x1f\x8b\x08\0\0\0")}
    assert len(whole) == 4
    for size in range(len(raw) + 1):
        path.write_bytes(raw[:size])
        warnings: list[str] = []
        read = list(read_recordings([path], warnings.append))
        assert read == recorded[: len(read)]
        assert len(read) >= before
        assert bool(warnings) == (size not in whole)
        before = len(read)
    assert before == len(recorded)


def test_a_cut_off_block_is_an_ordinary_warning_that_names_file_and_place(tmp_path: Path) -> None:
    path, (recorded, raw) = tmp_path / "night", blocks(2, 2)
    path.write_bytes(raw[:-1])
    with pytest.warns(CutOffWarning, match=rf"{path}: the block at byte \d+ is cut off"):
        assert list(read_recordings([path])) == recorded


def test_zeros_that_a_power_cut_left_behind_are_a_cut_off_block(tmp_path: Path) -> None:
    path, (recorded, raw) = tmp_path / "night", blocks(2, 3)
    path.write_bytes(raw + bytes(200_000))
    warnings: list[str] = []
    assert list(read_recordings([path], warnings.append)) == recorded
    assert len(warnings) == 1


@pytest.mark.parametrize("damage", [b"\x1f\x8b\x08\0", b"some other text", bytes(70_000) + b"x"])
def test_a_block_that_is_damaged_rather_than_cut_off_is_reported(tmp_path: Path, damage: bytes) -> None:
    path, (recorded, raw) = tmp_path / "night", blocks(2)
    path.write_bytes(raw + damage + b"\xff" * 100)
    read = read_recordings([path])
    assert [next(read), next(read)] == recorded
    with pytest.raises(InputFileError, match=f"the block at byte {len(raw)} is damaged"):
        next(read)


def test_files_put_together_are_a_recording(tmp_path: Path) -> None:
    (recorded, raw), path = blocks(2, 3), tmp_path / "both"
    path.write_bytes(raw + raw)
    assert list(read_recordings([path])) == recorded * 2


def test_either_form_may_be_compressed_or_not(tmp_path: Path) -> None:
    (recorded, raw), text = blocks(3), _TIME + b" a {}\r\n\r\n" + _TIME + b" b {}"
    for name, content in (("1", raw), ("2", gzip.decompress(raw)), ("3", text), ("4", gzip.compress(text))):
        (tmp_path / name).write_bytes(content)
    read = list(read_recordings(tmp_path / name for name in "1234"))
    assert read[:6] == recorded * 2
    assert [one.topic for one in read[6:]] == ["a", "b", "a", "b"]


def test_a_damaged_line_of_a_compressed_file_is_reported_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "night"
    path.write_bytes(pack_block(_TIME + b" a {}\n\nnonsense\n", 1))
    with pytest.raises(InputFileError, match="a line is receive time") as caught:
        list(read_recordings([path]))
    assert caught.value.line == 3


def test_a_long_recording_is_read_across_its_chunks(tmp_path: Path) -> None:
    recorded = [
        RecordedMessage(datetime(2026, 3, 14, tzinfo=UTC), f"t/{n}", str(n * n * 7919 % 10**9).encode() * 9)
        for n in range(20_000)
    ]
    path = tmp_path / "night"
    path.write_bytes(b"".join(pack_block(to_lines(recorded[at : at + 7_000]), 1) for at in range(0, 20_000, 7_000)))
    assert path.stat().st_size > 3 * 65_536
    assert list(read_recordings([path])) == recorded
