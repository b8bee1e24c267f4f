from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputFileError
from simulators.recording import parse_line, read_recordings
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
