"""A running ingest service, and a publisher, for tests with a real broker."""

import json
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from structlog.testing import capture_logs
from structlog.typing import EventDict

from core.clock import SystemClock
from core.settings import IngestSettings, MqttSettings, Settings
from ingest.arrival import RECORDED_ARRIVAL
from ingest.service import run
from store.database import Connection
from tests.wait import wait_until

PATIENCE_S = 60.0
START = datetime(2026, 3, 1, tzinfo=UTC)
_WINDOW = 200


class Outgoing(NamedTuple):
    topic: str
    payload: bytes
    recorded_at: str | None = None
    retain: bool = False


class Feed:
    """Numbered messages on topics that no other test uses."""

    def __init__(self) -> None:
        self.kind = uuid.uuid4().hex

    @property
    def topics(self) -> tuple[str, ...]:
        return (f"cityvigil/v1/water/{self.kind}/#",)

    @property
    def root(self) -> str:
        return f"cityvigil/v1/water/{self.kind}"

    def numbered(self, first: int, count: int) -> list[Outgoing]:
        return [self._message(number) for number in range(first, first + count)]

    def _message(self, number: int) -> Outgoing:
        at = START + timedelta(seconds=number)
        content = {
            "time": at.isoformat(),
            "readings": [{"metric": "number", "value": number, "unit": "1"}],
            "events": [{"kind": "counted"}],
        }
        # Recorded at the event time, so that the test does not depend on today's date.
        return Outgoing(f"{self.root}/{self.kind}-{number % 7}", json.dumps(content).encode(), at.isoformat())


def settings_for(broker: tuple[str, int], topics: Sequence[str], client_id: str | None = None) -> Settings:
    host, port = broker
    return Settings(
        mqtt=MqttSettings(host=host, port=port, topics=tuple(topics), client_id=client_id or uuid.uuid4().hex),
        ingest=IngestSettings(flush_after_s=0.05),
    )


@contextmanager
def running(settings: Settings, database_url: str) -> Iterator[Sequence[EventDict]]:
    """Run ingest on a thread and yield what it logs, once it has subscribed; on leaving, stop it.

    Raises what ingest raised.
    """
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            run(settings, database_url, SystemClock(), stop)
        except BaseException as exc:  # noqa: BLE001 - handed to the test
            failures.append(exc)

    thread = threading.Thread(target=work)
    try:
        with capture_logs() as lines:
            thread.start()
            wait_until(lambda: failures or "broker_connected" in actions(lines), PATIENCE_S, "the subscription")
            yield lines
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    for failure in failures:
        raise failure


@contextmanager
def publisher(broker: tuple[str, int]) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2, client_id=uuid.uuid4().hex, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect(*broker)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def publish(client: Client, messages: Iterable[Outgoing]) -> None:
    """Publish at QoS 1, and return when the broker has acknowledged everything."""
    pending: list[MQTTMessageInfo] = []
    for message in messages:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho annotates it no further
        if message.recorded_at is not None:
            properties.UserProperty = (RECORDED_ARRIVAL, message.recorded_at)
        pending.append(client.publish(message.topic, message.payload, 1, message.retain, properties))
        if len(pending) > _WINDOW:
            pending.pop(0).wait_for_publish(PATIENCE_S)
    for info in pending:
        info.wait_for_publish(PATIENCE_S)
        assert info.is_published()


def actions(lines: Iterable[EventDict]) -> list[str]:
    """Return the action of each log line."""
    return [str(line["action"]) for line in lines]


def stored_numbers(connection: Connection) -> list[int]:
    rows = connection.execute("select r.value from reading r order by r.value").fetchall()
    return [int(value) for (value,) in rows]


def event_count(connection: Connection) -> int:
    row = connection.execute("select count(*) from event").fetchone()
    return int(row[0]) if row else 0
