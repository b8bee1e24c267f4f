"""`cityvigil replay`: recorded messages through the live way of a reading."""

import os
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from cli.stack import Stack, open_stack
from cli.supervise import Supervisor
from core.errors import PermanentError
from core.settings import Settings, read_settings
from ingest.reservation import reserve_session
from simulators.publish import Publisher
from simulators.recording import RecordedMessage, read_recordings
from store.accounts import FeedAccount, feed_accounts
from store.database import connect
from store.migrate import migrate
from store.scratch import fresh_database

MAX_SPEED = "max"

_STALLED_S = 60.0
_LOOK_S = 0.1


class ReplayStalledError(PermanentError):
    """What was published did not all arrive in the store."""


def speed_of(text: str) -> float | None:
    """Return the speed that a user asks for; None means as fast as possible.

    Raises
    ------
    ValueError
        If it is neither `max` nor a number greater than 0.
    """
    if text == MAX_SPEED:
        return None
    speed = float(text)
    if not 0 < speed < float("inf"):
        raise ValueError("the speed is greater than 0")
    return speed


def publish_recordings(
    messages: Iterable[RecordedMessage], publisher: Publisher, speed: float | None, stop: threading.Event
) -> int:
    """Publish recorded messages in their order and return how many there were.

    Each states the arrival time that was recorded, so that it counts as arriving then.

    Parameters
    ----------
    speed
        Recorded seconds per second; None means as fast as the broker takes them. A message whose recorded arrival
        lies before the one before it follows at once.
    """
    published = 0
    began_at, first_at = time.monotonic(), None
    for message in messages:
        first_at = first_at or message.received_at
        if speed is not None:
            due_s = (message.received_at - first_at) / timedelta(seconds=1) / speed
            stop.wait(max(began_at + due_s - time.monotonic(), 0.0))
        if stop.is_set():
            break
        publisher.publish(message.topic, message.payload, message.received_at)
        published += 1
    publisher.wait_all()
    return published


def publisher_of(settings: Settings) -> Publisher:
    """Return a publisher to the broker that the settings name; not connected yet."""
    password = settings.mqtt.password
    return Publisher(
        settings.mqtt.host,
        settings.mqtt.port,
        username=settings.mqtt.username,
        password=password.get_secret_value() if password else None,
    )


def replay(settings: Settings, files: Sequence[Path], speed: float | None, stop: threading.Event) -> int:
    """Publish recordings to the broker that is set, and return how many messages there were."""
    with publisher_of(settings) as publisher:
        return publish_recordings(read_recordings(files), publisher, speed, stop)


def replay_alone(
    settings: Settings, files: Sequence[Path], speed: float | None, stop: threading.Event
) -> tuple[int, list[FeedAccount]]:
    """Replay into a City Vigil that is started for it, and wait until all has arrived.

    Its database is empty at the start, unless the user has set one.

    Returns
    -------
    How many messages were published, and the account of every feed afterwards.

    Raises
    ------
    ReplayStalledError
        If nothing more arrives although something is missing.
    """
    with ExitStack() as opened:
        stack = opened.enter_context(open_stack(settings, settings.data_dir / "replay"))
        if settings.database_url is None:
            stack = stack.with_database(fresh_database(stack.database_url))
        os.environ.update(stack.environment)
        settings = read_settings()
        with connect(stack.database_url, "replay") as connection:
            migrate(connection)
            before = _received(feed_accounts(connection))
        reserve_session(settings.mqtt)
        supervisor = opened.enter_context(Supervisor(settings.data_dir / "logs"))
        stack.start(supervisor, "ingest")
        published = replay(settings, files, speed, stop)
        return published, _wait_for_account(stack, before + published, supervisor, stop)


def _received(accounts: Iterable[FeedAccount]) -> int:
    return sum(account.received for account in accounts)


def _wait_for_account(stack: Stack, expected: int, supervisor: Supervisor, stop: threading.Event) -> list[FeedAccount]:
    latest, moved_at = -1, time.monotonic()
    with connect(stack.database_url, "replay") as connection:
        while not stop.wait(_LOOK_S):
            supervisor.check()
            accounts = feed_accounts(connection)
            received = _received(accounts)
            if received >= expected:
                return accounts
            if received != latest:
                latest, moved_at = received, time.monotonic()
            elif time.monotonic() - moved_at > _STALLED_S:
                raise ReplayStalledError(f"{received} of {expected} messages arrived, and then none for a minute")
        return feed_accounts(connection)
