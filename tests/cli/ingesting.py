"""Ingest on a thread, on a clock of the test's own, with a broker that no other test uses."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from structlog.testing import capture_logs

from core.clock import Clock
from core.settings import IngestSettings, MqttSettings, Settings
from ingest.service import run
from store.accounts import FeedAccount, feed_accounts
from store.database import Connection
from tests.wait import wait_until

PATIENCE_S = 60.0


def settings_for(broker: tuple[str, int]) -> Settings:
    host, port = broker
    mqtt = MqttSettings(host=host, port=port, client_id=uuid.uuid4().hex)
    return Settings(mqtt=mqtt, ingest=IngestSettings(flush_after_s=0.05))


@contextmanager
def ingesting(settings: Settings, database_url: str, clock: Clock) -> Iterator[None]:
    """Run ingest; the block begins once it has subscribed."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings, database_url, clock, stop))
    with capture_logs() as lines:
        thread.start()
        try:
            connected = "broker_connected"
            wait_until(lambda: connected in [line["action"] for line in lines], PATIENCE_S, "the subscription")
            yield
        finally:
            stop.set()
            thread.join(PATIENCE_S)
    assert not thread.is_alive()


def wait_for_messages(connection: Connection, count: int) -> list[FeedAccount]:
    """Wait until so many messages have been received, and return the accounts."""
    wait_until(lambda: received(connection) >= count, PATIENCE_S, f"{count} messages have arrived")
    return feed_accounts(connection)


def received(connection: Connection) -> int:
    return sum(account.received for account in feed_accounts(connection))
