"""What the JSON formats share: reading bytes into typed structures, and saying plainly why it did not work.

Source: RFC 8259. Where a name occurs twice in an object the last one counts, as in Python, JavaScript and jsonb.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec

from core.message import Rejected, RejectReason

T = TypeVar("T")

Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339, with an offset."""

INT64 = msgspec.Meta(ge=-(2**63), le=2**63 - 1)
"""The whole numbers that a database column and every JSON library can hold."""

# A string that never ends is matched up to the end of the payload: without that, each escaped quote in it would
# start another search, and the time would grow with the square of the length.
_STRING_OR_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|-?Infinity|NaN', re.DOTALL)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_PLACE = re.compile(r"^(?P<fault>.*) - at `\$(?:\[\.\.\.\])?\.?(?P<path>.*)`$", re.DOTALL)
_SHOWN_CHARACTERS = 40

OUT_OF_RANGE = b"1e999"
"""A lawful JSON number that no double can hold."""


def shown(text: str) -> str:
    """Return a piece of the input as a detail may carry it: quoted, plain ASCII, cut to a readable length."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return ascii(cut)


def in_utc(time: datetime) -> datetime | None:
    """Return the same instant in UTC; None if that lies outside the years 1 to 9999."""
    if time.tzinfo is UTC:
        return time
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return None


def read_json(decoder: msgspec.json.Decoder[T], payload: bytes, not_a_number: bytes) -> T | Rejected:
    """Read a payload into the decoder's type.

    Parameters
    ----------
    decoder
        Of the type that is wanted.
    payload
        Any bytes.
    not_a_number
        The JSON that stands for a bare `NaN`, which RFC 8259 forbids and many loggers write: `null` drops the
        field, `OUT_OF_RANGE` makes it a fault of that field. `Infinity` always is one.
    """
    try:
        payload.decode()
        value = decoder.decode(payload)
    except msgspec.ValidationError as exc:
        return _wrong_type(exc)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        if b"NaN" in payload or b"Infinity" in payload:
            return _read_without_tokens(decoder, payload, not_a_number, str(exc))
        return _malformed(str(exc))
    if b"\\" in payload and _NUL.search(payload):
        return Rejected(RejectReason.WRONG_TYPE, "a string holds U+0000, which no database text can")
    return value


def _read_without_tokens(
    decoder: msgspec.json.Decoder[T], payload: bytes, not_a_number: bytes, fault: str
) -> T | Rejected:
    lawful = _STRING_OR_TOKEN.sub(lambda match: _lawful(match[0], not_a_number), payload)
    if lawful == payload:
        return _malformed(fault)
    value = read_json(decoder, lawful, not_a_number)
    if not_a_number == OUT_OF_RANGE and not isinstance(value, Rejected):
        return _malformed("NaN and Infinity are no JSON numbers")
    return value


def _malformed(fault: str) -> Rejected:
    return Rejected(RejectReason.MALFORMED_PAYLOAD, f"not JSON in UTF-8: {fault}")


def _lawful(token: bytes, not_a_number: bytes) -> bytes:
    if token == b"NaN":
        return not_a_number
    if token.endswith(b"Infinity") and not token.startswith(b'"'):
        return OUT_OF_RANGE
    return token


def _wrong_type(exc: msgspec.ValidationError) -> Rejected:
    message = str(exc)
    located = _PLACE.match(message)
    detail = message if located is None else f"{located['path']}: {located['fault']}"
    return Rejected(RejectReason.WRONG_TYPE, detail.replace("`", ""))
