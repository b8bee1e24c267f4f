"""Ingest is killed at any moment, and nothing is lost or stored twice."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

from store.database import Connection
from tests.ingest.making import account
from tests.ingest.running import (
    PATIENCE_S,
    Feed,
    event_count,
    publish,
    publisher,
    running,
    settings_for,
    stored_numbers,
)
from tests.paths import REPO
from tests.wait import wait_until

_SERVICE = """\
import sys, threading
from core.clock import SystemClock
from core.settings import Settings
from ingest.service import run
run(Settings.model_validate_json(sys.argv[1]), sys.argv[2], SystemClock(), threading.Event())
"""

_DIES_BEFORE_ACKNOWLEDGING = """\
import os, signal
import ingest.service
ingest.service.acknowledge = lambda deliveries: os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_between_commit_and_acknowledgement_stores_nothing_twice(
    broker: tuple[str, int], database_url: str, connection: Connection
) -> None:
    feed = Feed()
    settings = settings_for(broker, feed.topics)
    with running(settings, database_url):
        pass
    with publisher(broker) as client:
        publish(client, feed.numbered(0, 300))
    arguments = [settings.model_dump_json(exclude_none=True), database_url]
    for _ in range(2):
        dying = [sys.executable, "-c", _DIES_BEFORE_ACKNOWLEDGING + _SERVICE, *arguments]
        status = subprocess.run(dying, cwd=REPO, capture_output=True, timeout=PATIENCE_S, check=False).returncode
        assert status == -signal.SIGKILL
    committed = len(stored_numbers(connection))
    assert committed > 0
    with running(settings, database_url):
        wait_until(lambda: len(stored_numbers(connection)) == 300, PATIENCE_S, "300 readings")
    assert stored_numbers(connection) == list(range(300))
    assert account(connection).duplicate >= committed
    assert event_count(connection) == 300


def test_kill_9_at_any_moment_costs_nothing(broker: tuple[str, int], database_url: str, connection: Connection) -> None:
    feed, count = Feed(), 4_000
    settings = settings_for(broker, feed.topics)
    command = [sys.executable, "-c", _SERVICE, settings.model_dump_json(exclude_none=True), database_url]
    chance = random.Random(20)  # noqa: S311 - picks the moments of a test
    thresholds = sorted(chance.sample(range(1, count - 500), 6))

    def more_than(wanted: int) -> Callable[[], bool]:
        return lambda: len(stored_numbers(connection)) >= wanted

    # Leaves a session at the broker, which keeps what comes from now on.
    with running(settings, database_url):
        pass
    with publisher(broker) as client:
        publishing = threading.Thread(target=publish, args=(client, feed.numbered(0, count)))
        publishing.start()
        for threshold in [*thresholds, count]:
            with subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
                try:
                    wait_until(more_than(threshold), PATIENCE_S, f"{threshold} readings")
                finally:
                    service.kill()
        publishing.join(PATIENCE_S)
    assert stored_numbers(connection) == list(range(count))
    assert event_count(connection) == count
    counted = account(connection)
    assert (counted.stored, counted.conflict) == (count, 0)
    assert counted.decoded == counted.stored + counted.duplicate
    assert counted.received == counted.accepted
