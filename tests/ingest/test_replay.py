"""A real feed, from the recording through broker and ingest into the store, against a second reading of the files."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from store.database import Connection
from tests.ingest.making import account, reasons, stored_values
from tests.ingest.running import PATIENCE_S, Outgoing, publish, publisher, running, settings_for
from tests.paths import SHARED
from tests.wait import wait_until

CAPTURES = SHARED / "captures" / "hfp"
MESSAGES = 1_912
CONFLICTS = 59

METRICS = {
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
SILENT = {"vp", "apc", "apc-partial"}
"""Event types that report no event."""

Key = tuple[str, str, datetime]


@dataclass
class Expected:
    """What plain `json` makes of the files."""

    values: dict[Key, float] = field(default_factory=dict)
    conflicts: Counter[tuple[str, str, datetime, float]] = field(default_factory=Counter)
    duplicates: int = 0
    events: set[tuple[str, str, datetime]] = field(default_factory=set)
    event_messages: int = 0
    accepted: int = 0
    without_reading: int = 0

    def take(self, message: Outgoing) -> None:
        levels = message.topic.split("/")
        event_type, operator, vehicle = levels[5], int(levels[7]), int(levels[8])
        (body,) = json.loads(message.payload).values()
        device = f"hsl:{operator}/{vehicle}"
        time = datetime.fromisoformat(body["tst"])
        found = dict(passenger_metrics(body) if event_type.startswith("apc") else position_metrics(body))
        for metric, value in found.items():
            self._store((device, metric, time), value)
        if event_type not in SILENT:
            self.event_messages += 1
            self.events.add((device, event_type, time))
        if found or event_type not in SILENT:
            self.accepted += 1
        else:
            self.without_reading += 1

    def _store(self, key: Key, value: float) -> None:
        if key not in self.values:
            self.values[key] = value
        elif self.values[key] == value:
            self.duplicates += 1
        else:
            self.conflicts[(*key, value)] += 1


def position_metrics(body: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, metric in METRICS.items():
        if body.get(name) is not None:
            yield metric, float(body[name])


def passenger_metrics(body: dict[str, Any]) -> Iterator[tuple[str, float]]:
    counts = body.get("vehiclecounts") or {}
    if counts.get("vehicleload") is not None:
        yield "passengers_on_board", float(counts["vehicleload"])
    doors = [count for door in counts.get("doorcounts", []) for count in door["count"]]
    for name, metric in (("in", "boardings"), ("out", "alightings")):
        numbers = [count[name] for count in doors if count.get(name) is not None]
        if numbers:
            yield metric, float(sum(numbers))


def recorded() -> list[Outgoing]:
    messages = []
    for path in sorted(CAPTURES.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            arrival, rest = line.split(" ", 1)
            start = rest.index(" {")
            messages.append(Outgoing(rest[:start], rest[start + 1 :].encode(), arrival))
    return messages


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded feeds are not beside the project")
def test_the_recorded_feed_is_stored_value_by_value(
    broker: tuple[str, int], database_url: str, connection: Connection
) -> None:
    messages, expected = recorded(), Expected()
    for message in messages:
        expected.take(message)
    assert (len(messages), expected.conflicts.total()) == (MESSAGES, CONFLICTS), "the files are not what they were"
    with running(settings_for(broker, ("/hfp/#",)), database_url), publisher(broker) as client:
        publish(client, messages)
        wait_until(lambda: account(connection, "hfp").received >= MESSAGES, PATIENCE_S, "all messages")

    counted = account(connection, "hfp")
    assert reasons(connection) == []
    assert (counted.received, counted.accepted, counted.without_reading) == (
        MESSAGES, expected.accepted, expected.without_reading
    )  # fmt: skip
    assert (counted.stored, counted.duplicate, counted.conflict) == (
        len(expected.values), expected.duplicates, CONFLICTS
    )  # fmt: skip
    assert {(a, m, t): v for a, m, t, v in stored_values(connection)} == expected.values
    contradictions = connection.execute(
        "select a.name, s.metric, c.time, c.value from reading_conflict c join series s using (series_id)"
        " join asset a using (asset_id)"
    ).fetchall()
    assert Counter(contradictions) == expected.conflicts
    events = connection.execute("select a.name, e.time from event e join asset a using (asset_id)").fetchall()
    assert sorted(events) == sorted((device, time) for device, _, time in expected.events)
    assert counted.events_stored + counted.events_duplicate == expected.event_messages
    arrivals = connection.execute("select min(received_at), max(received_at) from reading").fetchone()
    stated = sorted(datetime.fromisoformat(m.recorded_at) for m in messages if m.recorded_at)
    assert arrivals is not None
    assert stated[0] <= arrivals[0] <= arrivals[1] <= stated[-1]
