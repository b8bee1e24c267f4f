"""What recorded payloads hold, as far as their format is known, so that times and values in them can be changed."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from simulators.recording import RecordedMessage

_HFP_METRICS = {
    "lat": "latitude",
    "long": "longitude",
    "spd": "speed",
    "hdg": "heading",
    "acc": "acceleration",
    "dl": "schedule_offset",
    "odo": "odometer",
    "drst": "door_open",
    "occu": "occupancy",
}
_HFP_TIMES = ("tst", "tsi", "ttarr", "ttdep")
_HFP_SHORTEST, _HFP_EVENT, _HFP_OPERATOR, _HFP_VEHICLE = 8, 4, 6, 7
_CITYVIGIL_LEVELS = 5
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)([Tt ])(\d\d:\d\d:\d\d)(.*)")


class Feed(StrEnum):
    """A format of which it is known where times and values are."""

    HFP = "hfp"
    CITYVIGIL_JSON = "cityvigil_json"


class Sender(NamedTuple):
    """Who published a message, read from its topic.

    Attributes
    ----------
    feed
        Which format the topic announces.
    device
        As City Vigil names it in its registry.
    kind
        What kind of message it is; empty where a device publishes only one.
    """

    feed: Feed
    device: str
    kind: str = ""


def sender_of(topic: str) -> Sender | None:
    """Return who publishes on a topic of HFP or City Vigil JSON; None for any other topic."""
    levels = topic.removeprefix("/").split("/")
    if levels[0] == "hfp" and len(levels) >= _HFP_SHORTEST:
        operator, vehicle = (levels[at].lstrip("0") or "0" for at in (_HFP_OPERATOR, _HFP_VEHICLE))
        return Sender(Feed.HFP, f"hsl:{operator}/{vehicle}", levels[_HFP_EVENT].lower())
    if topic.startswith("cityvigil/v1/") and len(levels) == _CITYVIGIL_LEVELS:
        return Sender(Feed.CITYVIGIL_JSON, levels[-1])
    return None


class Slot(NamedTuple):
    """A place in a JSON document that holds one value."""

    name: str
    holder: Any
    key: Any

    @property
    def value(self) -> Any:
        """Return what is there."""
        return self.holder[self.key]

    def put(self, value: object) -> None:
        """Put something else there."""
        self.holder[self.key] = value


class Document:
    """A payload that can be changed and written again.

    Parameters
    ----------
    content
        What JSON made of the payload.
    feed
        Its format; None if nothing but paths can be said of it.
    """

    def __init__(self, content: Any, feed: Feed | None) -> None:
        self._content = content
        self._feed = feed

    def payload(self) -> bytes:
        """Return the document as JSON; what was not changed means the same, but may be written in another way."""
        return json.dumps(self._content, separators=(",", ":")).encode()

    def times(self) -> Iterator[Slot]:
        """Yield where the format has its times."""
        if self._feed is Feed.HFP:
            yield from (slot for slot in self._members() if slot.key in _HFP_TIMES)
        elif self._feed is Feed.CITYVIGIL_JSON:
            entries = [self._content, *self._entries("readings"), *self._entries("events")]
            yield from (Slot("time", entry, "time") for entry in entries if "time" in entry)

    def values(self) -> Iterator[Slot]:
        """Yield where the format has its measurements, named by the metrics that City Vigil makes of them."""
        if self._feed is Feed.HFP:
            for slot in self._members():
                if slot.key in _HFP_METRICS:
                    yield slot._replace(name=_HFP_METRICS[slot.key])
                elif slot.key == "vehiclecounts" and isinstance(slot.value, dict) and "vehicleload" in slot.value:
                    yield Slot("passengers_on_board", slot.value, "vehicleload")
        elif self._feed is Feed.CITYVIGIL_JSON:
            for entry in self._entries("readings"):
                if isinstance(entry.get("metric"), str) and "value" in entry:
                    yield Slot(entry["metric"], entry, "value")

    def at(self, path: str) -> Slot | None:
        """Return the place at a path of names and numbers with dots between them; None if there is none."""
        *parents, last = path.split(".")
        holder = self._content
        for step in parents:
            holder = _step(holder, step)
        if isinstance(holder, dict) and last in holder:
            return Slot(path, holder, last)
        if isinstance(holder, list) and last.isdecimal() and int(last) < len(holder):
            return Slot(path, holder, int(last))
        return None

    def _members(self) -> Iterator[Slot]:
        bodies = self._content.values() if isinstance(self._content, dict) else ()
        return (Slot(key, body, key) for body in bodies if isinstance(body, dict) for key in body)

    def _entries(self, name: str) -> list[dict[str, Any]]:
        entries = self._content.get(name)
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _step(holder: Any, step: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(step)
    if isinstance(holder, list) and step.isdecimal() and int(step) < len(holder):
        return holder[int(step)]
    return None


def open_document(message: RecordedMessage) -> Document | None:
    """Read a payload; None if it is no JSON object or array, or not of the shape that its topic announces."""
    try:
        content = json.loads(message.payload.decode())
    except (ValueError, RecursionError):
        return None
    sender = sender_of(message.topic)
    if sender is None:
        return Document(content, None) if isinstance(content, dict | list) else None
    return Document(content, sender.feed) if isinstance(content, dict) else None


def moved_time(value: object, by_s: int) -> str | int | None:
    """Return a time of a payload moved by whole seconds and otherwise written as it was; None if it is none.

    Parameters
    ----------
    value
        RFC 3339, or seconds since 1970-01-01.
    by_s
        Whole seconds: so whatever follows the seconds stays as it is.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value + by_s
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    day, between, second, rest = found.groups()
    try:
        moved = datetime.fromisoformat(f"{day}T{second}{rest}").replace(tzinfo=None) + timedelta(seconds=by_s)
    except (ValueError, OverflowError):
        return None
    return moved.isoformat(sep=between, timespec="seconds") + rest
