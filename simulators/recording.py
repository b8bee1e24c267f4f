"""Recorded feeds as text: `<receive time> <topic> <payload>`, a message a line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from core.errors import InputFileError


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """A message as somebody received it.

    Attributes
    ----------
    received_at
        In UTC.
    topic
        As published.
    payload
        The bytes as they came.
    """

    received_at: datetime
    topic: str
    payload: bytes


def parse_line(line: bytes) -> RecordedMessage:
    """Read one line.

    Spaces do not delimit a topic: a headsign may hold them, and even a brace. So the payload begins at the first
    space and brace or bracket from which on the rest of the line is JSON; where no rest is JSON (a device that sent
    NaN), at the first of them.

    Parameters
    ----------
    line
        Without the line's end.

    Raises
    ------
    ValueError
        Saying what is wrong with the line, in plain words.
    """
    stamp, space, rest = line.partition(b" ")
    if not space:
        raise ValueError("a line is receive time, topic and payload with a space between them")
    received_at = _receive_time(stamp)
    begins = [at for at in range(len(rest) - 1) if rest[at : at + 1] == b" " and rest[at + 1 : at + 2] in {b"{", b"["}]
    if not begins:
        raise ValueError("there is no JSON payload after the topic")
    begin = next((at for at in begins if _is_json(rest[at + 1 :])), begins[0])
    try:
        topic = rest[:begin].decode()
    except UnicodeDecodeError as exc:
        raise ValueError("the topic is not UTF-8") from exc
    if not topic:
        raise ValueError("the topic is missing")
    return RecordedMessage(received_at, topic, rest[begin + 1 :])


def _receive_time(stamp: bytes) -> datetime:
    try:
        time = datetime.fromisoformat(stamp.decode("ascii"))
    except ValueError as exc:
        raise ValueError("the receive time is not RFC 3339") from exc
    if time.utcoffset() is None:
        raise ValueError("the receive time has no offset from UTC")
    return time.astimezone(UTC)


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def read_recordings(paths: Iterable[Path]) -> Iterator[RecordedMessage]:
    """Yield the messages of recordings: file by file as given, line by line; blank lines count for nothing.

    Raises
    ------
    InputFileError
        Naming file and line, if a file cannot be read or a line is no message.
    """
    for path in paths:
        try:
            with path.open("rb") as file:
                yield from _messages(path, file)
        except OSError as exc:
            raise InputFileError(str(path), None, f"cannot be read: {exc.strerror}") from exc


def _messages(path: Path, lines: Iterable[bytes]) -> Iterator[RecordedMessage]:
    for number, line in enumerate(lines, start=1):
        text = line.rstrip(b"\r\n")
        if not text.strip():
            continue
        try:
            yield parse_line(text)
        except ValueError as exc:
            raise InputFileError(str(path), number, str(exc)) from exc
