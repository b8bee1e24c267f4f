"""City Vigil's own JSON, for devices that are free to choose; `docs/formats.md` is its definition."""

import re
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Annotated

import msgspec

from core.asset import Asset, Domain, Place
from core.event import DecodedEvent
from core.message import Decoded, Message, Rejected, RejectReason
from core.reading import DecodedReading
from core.units import is_unit
from ingest.decoders.json_payload import INT64, OUT_OF_RANGE, Timestamp, in_utc, read_json, shown

MAX_NAME_CHARACTERS = 200
"""Longest name of an asset, kind, zone, metric or attribute; an index entry has to hold two of them."""
MAX_UNIT_CHARACTERS = 64
"""Longest unit; reading one takes time that grows with its length."""

_LEVELS = 5
_DOMAINS = {domain.value: domain for domain in Domain}
_UNPUBLISHABLE = re.compile("[\x00\ud800-\udfff]")
_KNOWN_TOPICS = 65_536
_MAX_TOPIC_CHARACTERS = len("cityvigil/v1/transport//") + 2 * MAX_NAME_CHARACTERS

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_CHARACTERS)]
_Attribute = str | Annotated[int, INT64] | float | bool


class _Place(msgspec.Struct):
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]


class _Reading(msgspec.Struct, gc=False):
    metric: _Name
    value: float | None
    unit: Annotated[str, msgspec.Meta(max_length=MAX_UNIT_CHARACTERS)]
    time: Timestamp | msgspec.UnsetType = msgspec.UNSET


class _Event(msgspec.Struct):
    kind: _Name
    attributes: dict[_Name, _Attribute] = {}
    time: Timestamp | msgspec.UnsetType = msgspec.UNSET


class _Payload(msgspec.Struct):
    time: Timestamp | msgspec.UnsetType = msgspec.UNSET
    zone: Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)] = ""
    place: _Place | msgspec.UnsetType = msgspec.UNSET
    readings: list[_Reading] = []
    events: list[_Event] = []


_payloads = msgspec.json.Decoder(_Payload)


class CityVigilJsonDecoder:
    """Reads City Vigil JSON, version 1, and is strict about it."""

    name: str = "cityvigil_json"

    def claims(self, topic: str) -> bool:
        """Tell whether the topic's root is City Vigil's, in whatever version."""
        return topic.startswith("cityvigil/")

    def decode(self, message: Message) -> Decoded | Rejected:
        """Read what an asset measured and reports.

        Whatever has no time of its own takes the message's, else the arrival time, and then `own_time` is False.
        """
        asset = _read_topic(message.topic)
        if isinstance(asset, Rejected):
            return asset
        payload = read_json(_payloads, message.payload, not_a_number=OUT_OF_RANGE)
        if isinstance(payload, Rejected):
            return payload
        return _understand(asset, payload, message.received_at)


def _read_topic(topic: str) -> Asset | Rejected:
    # The cache below keeps its keys: only a short one may become one.
    if len(topic) > _MAX_TOPIC_CHARACTERS:
        return _malformed(f"{len(topic)} characters, at most {_MAX_TOPIC_CHARACTERS} can be lawful")
    return _asset(topic)


@lru_cache(maxsize=_KNOWN_TOPICS)
def _asset(topic: str) -> Asset | Rejected:
    levels = topic.split("/")
    if levels[1] != "v1":
        return _malformed(f"version {shown(levels[1])} is not v1")
    if len(levels) != _LEVELS:
        return _malformed(f"{len(levels)} levels, cityvigil/v1/<domain>/<kind>/<asset> has {_LEVELS}")
    domain, kind, name = levels[2:]
    if domain not in _DOMAINS:
        return _malformed(f"domain {shown(domain)} is none of {', '.join(_DOMAINS)}")
    if not (1 <= len(kind) <= MAX_NAME_CHARACTERS and 1 <= len(name) <= MAX_NAME_CHARACTERS):
        return _malformed(f"kind and asset must have 1 to {MAX_NAME_CHARACTERS} characters")
    if _UNPUBLISHABLE.search(topic):
        return _malformed("holds U+0000 or half a surrogate pair, which MQTT forbids")
    return Asset(name, _DOMAINS[domain], kind)


def _malformed(detail: str) -> Rejected:
    return Rejected(RejectReason.MALFORMED_TOPIC, detail)


class _Times:
    """Gives each entry its time and remembers whether one had to take the arrival's."""

    def __init__(self, stated: datetime | None, received_at: datetime) -> None:
        self._default = stated or received_at
        self._arrival_counts = stated is None
        self.own = True

    def of(self, entry: _Reading | _Event) -> datetime | None:
        """Return the entry's time in UTC; None if that lies outside the years 1 to 9999."""
        if entry.time is not msgspec.UNSET:
            return in_utc(entry.time)
        self.own = self.own and not self._arrival_counts
        return self._default


def _understand(asset: Asset, payload: _Payload, received_at: datetime) -> Decoded | Rejected:
    stated = None if payload.time is msgspec.UNSET else in_utc(payload.time)
    if stated is None and payload.time is not msgspec.UNSET:
        return _no_such_time("time")
    times = _Times(stated, received_at)
    readings = _readings(asset.name, payload.readings, times)
    if isinstance(readings, Rejected):
        return readings
    events = _events(asset.name, payload.events, times)
    if isinstance(events, Rejected):
        return events
    if payload.zone or payload.place is not msgspec.UNSET:
        place = None if payload.place is msgspec.UNSET else Place(payload.place.latitude, payload.place.longitude)
        asset = replace(asset, place=place, zone=payload.zone)
    return Decoded(readings, events, (asset,), times.own)


def _readings(device: str, entries: list[_Reading], times: _Times) -> tuple[DecodedReading, ...] | Rejected:
    readings = []
    for index, entry in enumerate(entries):
        if not is_unit(entry.unit):
            where = f"readings[{index}].unit"
            return Rejected(RejectReason.UNIT_MISMATCH, f"{where}: {shown(entry.unit)} is not a UCUM unit")
        if entry.value is None:
            continue
        time = times.of(entry)
        if time is None:
            return _no_such_time(f"readings[{index}].time")
        readings.append(DecodedReading(device, entry.metric, entry.value, entry.unit, time))
    return tuple(readings)


def _events(device: str, entries: list[_Event], times: _Times) -> tuple[DecodedEvent, ...] | Rejected:
    events = []
    for index, entry in enumerate(entries):
        time = times.of(entry)
        if time is None:
            return _no_such_time(f"events[{index}].time")
        events.append(DecodedEvent(device, entry.kind, time, entry.attributes))
    return tuple(events)


def _no_such_time(where: str) -> Rejected:
    return Rejected(RejectReason.WRONG_TYPE, f"{where}: lies outside the years 1 to 9999")
