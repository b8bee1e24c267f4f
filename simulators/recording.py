"""Recorded feeds: a message a line, as JSON or as `<receive time> <topic> <payload>`; `docs/recordings.md`."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import orjson

from core.errors import InputFileError
from simulators.recorded_blocks import read_lines


class RecordedMessage(msgspec.Struct, frozen=True, gc=False):
    """A message as somebody received it.

    Attributes
    ----------
    received_at
        In UTC.
    topic
        As published.
    payload
        The bytes as they came.
    qos
        Quality of service of the delivery: 0, 1 or 2.
    retained
        True when the broker sent it from its memory.
    duplicate
        True when the broker said that it may have delivered it before (MQTT's DUP flag).
    user_properties
        Names and values of MQTT 5's user properties, in their order.
    """

    received_at: datetime
    topic: str
    payload: bytes
    qos: int = 0
    retained: bool = False
    duplicate: bool = False
    user_properties: tuple[tuple[str, str], ...] = ()


class CutOffWarning(UserWarning):
    """A recording's last block is not whole."""


class _Line(msgspec.Struct, omit_defaults=True, gc=False):
    received_at: Annotated[datetime, msgspec.Meta(tz=True)]
    topic: str
    payload: str = ""
    payload_b64: bytes = b""
    qos: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0
    retained: bool = False
    duplicate: bool = False
    user_properties: tuple[tuple[str, str], ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)
_JSON_BEGINS = re.compile(rb" (?=[{\[])")


def to_lines(messages: Iterable[RecordedMessage]) -> bytes:
    """Return messages as lines of JSON, each with its end."""
    return _encoder.encode_lines([_line_of(message) for message in messages])


def _line_of(message: RecordedMessage) -> _Line:
    text, data = "", b""
    # Text within the line makes for files a fifth to a third smaller than base64 does, and people can read it.
    try:
        text = message.payload.decode()
    except UnicodeDecodeError:
        data = message.payload
    return _Line(
        message.received_at,
        message.topic,
        text,
        data,
        message.qos,
        message.retained,
        message.duplicate,
        message.user_properties,
    )


def parse_line(line: bytes) -> RecordedMessage:
    """Read one line, of either form.

    In the text form, spaces do not delimit a topic: a headsign may hold them, and even a brace. So the payload begins
    at the first space and brace or bracket from which on the rest of the line is JSON; where no rest is JSON (a device
    that sent NaN), at the first of them.

    Parameters
    ----------
    line
        Without the line's end.

    Raises
    ------
    ValueError
        Saying what is wrong with the line, in plain words.
    """
    return _parse_json(line) if line.startswith(b"{") else _parse_text(line)


def _parse_json(line: bytes) -> RecordedMessage:
    try:
        found = _decoder.decode(line)
        received_at = found.received_at.astimezone(UTC)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError) as exc:
        raise ValueError(f"not a recorded message: {exc}") from exc
    if not found.topic:
        raise ValueError("the topic is missing")
    return RecordedMessage(
        received_at,
        found.topic,
        found.payload_b64 or found.payload.encode(),
        found.qos,
        found.retained,
        found.duplicate,
        found.user_properties,
    )


def _parse_text(line: bytes) -> RecordedMessage:
    stamp, space, rest = line.partition(b" ")
    if not space:
        raise ValueError("a line is receive time, topic and payload with a space between them")
    received_at = parse_time(stamp)
    begins = [found.start() for found in _JSON_BEGINS.finditer(rest)]
    if not begins:
        raise ValueError("there is no JSON payload after the topic")
    begin = begins[0]
    if len(begins) > 1:
        begin = next((at for at in begins if _is_json(rest[at + 1 :])), begin)
    try:
        topic = rest[:begin].decode()
    except UnicodeDecodeError as exc:
        raise ValueError("the topic is not UTF-8") from exc
    if not topic:
        raise ValueError("the topic is missing")
    return RecordedMessage(received_at, topic, rest[begin + 1 :])


def parse_time(stamp: bytes) -> datetime:
    """Return a receive time in UTC.

    Raises
    ------
    ValueError
        If it is not RFC 3339 with an offset.
    """
    try:
        time = datetime.fromisoformat(stamp.decode("ascii"))
        if time.utcoffset() is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise ValueError("the receive time is not RFC 3339") from exc
    raise ValueError("the receive time has no offset from UTC")


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _warn(sentence: str) -> None:
    warnings.warn(sentence, CutOffWarning, stacklevel=2)


def read_recordings(paths: Iterable[Path], warn: Callable[[str], None] = _warn) -> Iterator[RecordedMessage]:
    """Yield the messages of recordings: file by file as given, line by line; blank lines count for nothing.

    Parameters
    ----------
    paths
        Files of either form, compressed or not.
    warn
        Told in a sentence of each file whose last block is cut off.

    Raises
    ------
    InputFileError
        Naming file and line, if a file cannot be read or a line is no message.
    """
    for path in paths:
        try:
            yield from _messages(path, read_lines(path, warn))
        except OSError as exc:
            raise InputFileError(str(path), None, f"cannot be read: {exc.strerror}") from exc


def _messages(path: Path, lines: Iterable[bytes]) -> Iterator[RecordedMessage]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield parse_line(line)
        except ValueError as exc:
            raise InputFileError(str(path), number, str(exc)) from exc
