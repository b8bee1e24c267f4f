"""`cityvigil decode`: the live decoders on recorded messages, as JSON lines in and out."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import orjson

from core.clock import Clock
from core.message import Decoded, Message, Rejected
from ingest.decoders import decode_message
from ingest.decoders.json_payload import Timestamp, in_utc
from ingest.window import check_window

BAD_LINE = "bad_line"
"""Stands where a reject reason would, for a line of input that holds no message."""


class Window(NamedTuple):
    """How far event times may lie from the arrival time."""

    back: timedelta
    ahead: timedelta


class _Line(msgspec.Struct):
    topic: str
    payload_b64: str
    received_at: Timestamp | None = None
    retained: bool | None = None


_lines = msgspec.json.Decoder(_Line)


def decode_lines(
    lines: Iterable[bytes], clock: Clock, max_payload_bytes: int, window: Window | None = None
) -> Iterator[bytes]:
    """Decode recorded messages one by one, in order, one line of output for each line of input.

    Parameters
    ----------
    lines
        Each a JSON object: `topic`, `payload_b64`, and optionally `received_at` (RFC 3339) and `retained`.
    clock
        Tells the arrival time of a message that states none.
    max_payload_bytes
        As for `decode_message`.
    window
        Refuse times outside it; None takes any time, as old captures need.

    Yields
    ------
    A JSON object without line end. `readings`: list of [device, metric, value, unit, time]; `events`: list of
    [device, kind, time, attributes]; `rejected`: null, or `<reason>: <detail>`. A line that holds no message is
    rejected with its one-based number, and the next one is read.
    """
    for number, line in enumerate(lines, start=1):
        message = _read_line(line, clock)
        if isinstance(message, str):
            yield _rejection(f"{BAD_LINE}: line {number}: {message}")
            continue
        decoded = decode_message(message, max_payload_bytes)
        if window is not None and isinstance(decoded, Decoded):
            decoded = check_window(decoded, message.received_at, window.back, window.ahead) or decoded
        yield _rejection(f"{decoded.reason}: {decoded.detail}") if isinstance(decoded, Rejected) else _content(decoded)


def _read_line(line: bytes, clock: Clock) -> Message | str:
    try:
        fields = _lines.decode(line)
        payload = base64.b64decode(fields.payload_b64, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        return str(exc)
    except (binascii.Error, ValueError) as exc:
        return f"payload_b64: {exc}"
    received_at = clock.now() if fields.received_at is None else in_utc(fields.received_at)
    if received_at is None:
        return "received_at lies outside the years 1 to 9999"
    return Message(fields.topic, payload, received_at, bool(fields.retained))


def _content(decoded: Decoded) -> bytes:
    readings = [[*reading[:4], rfc3339(reading.time)] for reading in decoded.readings]
    events = [[event.device, event.kind, rfc3339(event.time), dict(event.attributes)] for event in decoded.events]
    return orjson.dumps({"readings": readings, "events": events, "rejected": None})


def _rejection(rejected: str) -> bytes:
    return orjson.dumps({"readings": [], "events": [], "rejected": rejected})


def rfc3339(time: datetime) -> str:
    """Return a time in UTC with `Z`, and as many digits below the second as it needs: none, three or six."""
    precision = "microseconds" if time.microsecond % 1000 else "milliseconds" if time.microsecond else "seconds"
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"
