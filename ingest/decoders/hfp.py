"""HFP v2: what the vehicles of Helsinki Region Transport (HSL) publish.

Source: HSL, *High-frequency positioning*, version 2; checked against captures, which differ from it here and there
(stop numbers are integers, some fields are missing).
"""

import math
import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from core.asset import Asset, Domain
from core.event import DecodedEvent
from core.message import Decoded, Message, Rejected, RejectReason
from core.reading import DecodedReading
from ingest.decoders.json_payload import INT64, Timestamp, in_utc, read_json, shown

EVENT_KINDS: dict[str, str] = {
    "due": "due",
    "arr": "stop_entered",
    "ars": "arrival",
    "pde": "departure_ready",
    "dep": "departure",
    "pas": "stop_passed",
    "wait": "waiting",
    "doo": "door_open",
    "doc": "door_close",
    "tlr": "priority_request",
    "tla": "priority_response",
    "da": "driver_sign_in",
    "dout": "driver_sign_out",
    "ba": "block_sign_in",
    "bout": "block_sign_out",
    "vja": "trip_sign_in",
    "vjout": "trip_sign_out",
}
"""Event type of the topic, and the kind of event that it becomes; another type keeps its own name."""

_MEASURING = frozenset({"vp", "apc", "apc-partial"})
"""Event types that report measurements and nothing that happened."""
_COUNTING = frozenset({"apc", "apc-partial"})
"""Event types whose payload counts passengers."""

_METRICS = (
    ("latitude", "deg"),
    ("longitude", "deg"),
    ("speed", "m/s"),
    ("heading", "deg"),
    ("acceleration", "m/s2"),
    ("schedule_offset", "s"),
    ("odometer", "m"),
    ("door_open", "0/1"),
    ("occupancy", "%"),
)
"""Metric and UCUM unit of each number of `_Report`, in its order."""

_SHORT_TOPIC, _LONG_TOPIC, _SIGNAL_TOPIC = 8, 18, 19
"""Levels after the leading slash: without a trip, with one, and with the traffic signal's number."""

_MAX_LEVEL_CHARACTERS = 32
_DIGITS = re.compile(r"[0-9]{1,10}")
_EVENT_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_UNPUBLISHABLE = re.compile("[\x00\ud800-\udfff]")
_KNOWN_SENDERS = 65_536

_Text = str | Annotated[int, INT64] | None


class _Timed(msgspec.Struct, gc=False):
    tst: Timestamp | None = None


class _Report(_Timed, gc=False):
    lat: float | None = None
    long: float | None = None
    spd: float | None = None
    hdg: float | None = None
    acc: float | None = None
    dl: float | None = None
    odo: float | None = None
    drst: float | None = None
    occu: float | None = None


class _EventReport(_Report, gc=False):
    desi: _Text = None
    direction: _Text = msgspec.field(name="dir", default=None)
    oday: _Text = None
    start: _Text = None
    jrn: _Text = None
    stop: _Text = None
    route: _Text = None


class _Count(msgspec.Struct):
    boarded: float | None = msgspec.field(name="in", default=None)
    alighted: float | None = msgspec.field(name="out", default=None)


class _Door(msgspec.Struct):
    count: list[_Count] = []


class _VehicleCounts(msgspec.Struct):
    vehicleload: float | None = None
    doorcounts: list[_Door] = []


class _CountReport(_Timed):
    vehiclecounts: _VehicleCounts | None = None


class _Sender(NamedTuple):
    event_type: str
    key: str
    device: str
    assets: tuple[Asset, ...]


_Body = TypeVar("_Body", bound=_Timed)

_positions = msgspec.json.Decoder(dict[str, _Report])
_events = msgspec.json.Decoder(dict[str, _EventReport])
_counts = msgspec.json.Decoder(dict[str, _CountReport])


class HfpDecoder:
    """Reads HFP v2, with or without the leading slash of its topics."""

    name: str = "hfp"

    def claims(self, topic: str) -> bool:
        """Tell whether the topic's root is HFP's, in whatever version."""
        return topic.startswith(("/hfp/", "hfp/"))

    def decode(self, message: Message) -> Decoded | Rejected:
        """Read a vehicle's position, event or passenger count.

        The operator in the topic owns the vehicle and names the device; the one in the payload only runs the trip.
        A null, a missing field or a bare NaN yields no reading.
        """
        levels = message.topic.removeprefix("/").split("/")
        sender = _read_topic(levels)
        if isinstance(sender, Rejected):
            return sender
        if sender.event_type in _COUNTING:
            return _decode_counts(sender, message.payload)
        if sender.event_type in _MEASURING:
            return _decode_position(sender, message.payload)
        return _decode_event(sender, levels, message.payload)


def _read_topic(levels: list[str]) -> _Sender | Rejected:
    if levels[1] != "v2":
        return _malformed(f"HFP version {shown(levels[1])} is not v2")
    if len(levels) not in {_SHORT_TOPIC, _LONG_TOPIC, _SIGNAL_TOPIC}:
        return _malformed(f"{len(levels)} levels, HFP v2 has {_SHORT_TOPIC}, {_LONG_TOPIC} or {_SIGNAL_TOPIC}")
    event_type, operator, vehicle = levels[4], levels[6], levels[7]
    # The cache below keeps its keys: only a short one may become one.
    if len(event_type) + len(operator) + len(vehicle) > _MAX_LEVEL_CHARACTERS:
        return _malformed(f"event type, operator and vehicle have over {_MAX_LEVEL_CHARACTERS} characters together")
    return _sender(event_type, operator, vehicle)


@lru_cache(maxsize=_KNOWN_SENDERS)
def _sender(event_type: str, operator: str, vehicle: str) -> _Sender | Rejected:
    if not _DIGITS.fullmatch(operator) or not _DIGITS.fullmatch(vehicle):
        return _malformed(f"operator {shown(operator)} and vehicle {shown(vehicle)} must be digits, 10 at most")
    if not _EVENT_TYPE.fullmatch(event_type):
        return _malformed(f"event type {shown(event_type)} is not a word")
    device = f"hsl:{operator.lstrip('0') or '0'}/{vehicle.lstrip('0') or '0'}"
    key = "APC" if event_type.lower() in _COUNTING else event_type.upper()
    return _Sender(event_type.lower(), key, device, (Asset(device, Domain.TRANSPORT, "vehicle"),))


def _malformed(detail: str) -> Rejected:
    return Rejected(RejectReason.MALFORMED_TOPIC, detail)


def _read_body(
    decoder: msgspec.json.Decoder[dict[str, _Body]], payload: bytes, key: str
) -> tuple[_Body, datetime] | Rejected:
    objects = read_json(decoder, payload, not_a_number=b"null")
    if isinstance(objects, Rejected):
        return objects
    body = objects.get(key)
    if body is None or len(objects) != 1:
        found = ", ".join(shown(name) for name in list(objects)[:3]) or "nothing"
        return Rejected(RejectReason.MALFORMED_PAYLOAD, f"the topic announces one object '{key}', found {found}")
    if body.tst is None:
        return Rejected(RejectReason.MISSING_TIME, f"{key}.tst is missing or null")
    time = in_utc(body.tst)
    if time is None:
        return Rejected(RejectReason.WRONG_TYPE, f"{key}.tst lies outside the years 1 to 9999")
    return body, time


def _decode_position(sender: _Sender, payload: bytes) -> Decoded | Rejected:
    read = _read_body(_positions, payload, sender.key)
    if isinstance(read, Rejected):
        return read
    body, time = read
    return Decoded(_readings(sender.device, time, body), (), sender.assets)


def _readings(device: str, time: datetime, body: _Report) -> tuple[DecodedReading, ...]:
    # Nine of these are built for each message; the named tuple's own constructor takes more than twice as long.
    build = tuple.__new__
    _, *values = msgspec.structs.astuple(body)
    return tuple(
        [
            build(DecodedReading, (device, metric, value, unit, time))
            for (metric, unit), value in zip(_METRICS, values, strict=False)
            if value is not None
        ]
    )


def _decode_event(sender: _Sender, levels: list[str], payload: bytes) -> Decoded | Rejected:
    read = _read_body(_events, payload, sender.key)
    if isinstance(read, Rejected):
        return read
    headsign, next_stop = (levels[10], levels[12]) if len(levels) > _SHORT_TOPIC else ("", "")
    if _UNPUBLISHABLE.search(headsign + next_stop):
        return _malformed("holds U+0000 or half a surrogate pair, which MQTT forbids")
    body, time = read
    kind = EVENT_KINDS.get(sender.event_type, sender.event_type)
    event = DecodedEvent(sender.device, kind, time, _attributes(body, headsign, next_stop))
    return Decoded(_readings(sender.device, time, body), (event,), sender.assets)


def _attributes(body: _EventReport, headsign: str, next_stop: str) -> dict[str, str]:
    named = {
        "line": body.desi,
        "direction": body.direction,
        "trip": _trip(body),
        "stop": body.stop,
        "route": body.route,
        "headsign": headsign,
        "next_stop": next_stop,
    }
    return {name: str(value) for name, value in named.items() if value not in {None, ""}}


def _trip(body: _EventReport) -> str | None:
    if body.oday is None or body.start is None:
        return None
    return "/".join(str(part) for part in (body.oday, body.start, body.jrn) if part is not None)


def _decode_counts(sender: _Sender, payload: bytes) -> Decoded | Rejected:
    read = _read_body(_counts, payload, sender.key)
    if isinstance(read, Rejected):
        return read
    body, time = read
    counts = body.vehiclecounts or _VehicleCounts()
    each = [count for door in counts.doorcounts for count in door.count]
    values = (
        ("passengers_on_board", "", counts.vehicleload),
        ("boardings", "count", _total([count.boarded for count in each])),
        ("alightings", "count", _total([count.alighted for count in each])),
    )
    if not all(value is None or math.isfinite(value) for _, _, value in values):
        return Rejected(RejectReason.WRONG_TYPE, "APC.vehiclecounts.doorcounts: their sum is out of range")
    readings = [
        DecodedReading(sender.device, metric, value, unit, time) for metric, unit, value in values if value is not None
    ]
    return Decoded(tuple(readings), (), sender.assets)


def _total(counts: list[float | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
