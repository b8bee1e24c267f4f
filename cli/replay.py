"""`cityvigil replay`: recorded messages through the live way of a reading."""

import os
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from cli.stack import Stack, broker_is_set, open_stack
from cli.status import accounts_table, closes
from cli.supervise import Supervisor
from core.errors import PermanentError
from core.settings import Settings, clock_of, read_settings
from ingest.reservation import reserve_session
from simulators.publish import Publisher, Publishing
from simulators.publish_qos0 import Qos0Publisher
from simulators.recorded_faults import read_feed_faults
from simulators.recorded_replay import Due, Replay, ReplayPlan
from simulators.recorded_selection import Selection, TopicFilters
from simulators.recording import RecordedMessage
from store.accounts import FeedAccount, feed_accounts
from store.database import connect
from store.migrate import migrate
from store.scratch import fresh_database

MAX_SPEED = "max"
SHIFTS = ("none", "now")

_STALLED_S = 60.0
_LOOK_S = 0.1


class ReplayStalledError(PermanentError):
    """What was published did not all arrive in the store."""


class Replayed(NamedTuple):
    """What came of a replay.

    Attributes
    ----------
    published
        How many messages went to the broker.
    notes
        What the user should know of them, in sentences.
    """

    published: int
    notes: tuple[str, ...]


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


def plan_of(
    files: Sequence[Path],
    *,
    speed: str = "1",
    topics: Sequence[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    skip_retained: bool = False,
    keep_retained: bool = False,
    shift: str = SHIFTS[0],
    payload_times: bool = False,
    loop: int = 1,
    qos: int = 1,
    faults: Path | None = None,
    labels: Path | None = None,
    seed: int = 2026,
) -> ReplayPlan:
    """Return the plan that a user asks for.

    Parameters
    ----------
    speed
        A number of recorded seconds per second, or `max`.
    shift
        One of `SHIFTS`.
    faults
        File of faults.

    Raises
    ------
    ValueError
        Saying in plain words what does not fit.
    InputFileError
        If the file of faults is none.
    """
    try:
        pace = speed_of(speed)
    except ValueError:
        raise ValueError(f"'{speed}' is neither max nor a number greater than 0") from None
    if shift not in SHIFTS:
        raise ValueError(f"'{shift}' is none of: {', '.join(SHIFTS)}")
    to_now = shift == "now"
    for wrong, sentence in (
        (payload_times and not to_now, "--payload-times needs --shift now"),
        (labels is not None and faults is None, "--labels needs --fault"),
        (keep_retained and skip_retained, "--keep-retained and --skip-retained exclude each other"),
    ):
        if wrong:
            raise ValueError(sentence)
    selection = Selection(TopicFilters(topics), start, end, skip_retained)
    broken = read_feed_faults(faults) if faults is not None else ()
    return ReplayPlan(
        tuple(files), pace, selection, to_now, payload_times, loop, broken, seed, labels, qos, keep_retained
    )


def publish_recordings(
    messages: Iterable[RecordedMessage], publisher: Publishing, speed: float | None, stop: threading.Event
) -> int:
    """Publish recorded messages in their order, each due at its recorded arrival; see `publish_due`."""
    return publish_due((Due(message.received_at, message) for message in messages), publisher, speed, stop)


def publish_due(
    messages: Iterable[Due],
    publisher: Publishing,
    speed: float | None,
    stop: threading.Event,
    *,
    keep_retained: bool = False,
) -> int:
    """Publish messages in their order and return how many there were.

    Each states its arrival time, so that it counts as arriving then.

    Parameters
    ----------
    speed
        Recorded seconds per second; None means as fast as the broker takes them. A message that is due before the one
        before it follows at once.
    keep_retained
        Publish as retained what the broker had sent from its memory.
    """
    published = 0
    began_at, first_at = time.monotonic(), None
    for due_at, message in messages:
        if speed is not None:
            first_at = first_at or due_at
            due_s = (due_at - first_at) / timedelta(seconds=1) / speed
            wait_s = max(began_at + due_s - time.monotonic(), 0.0)
            if wait_s > 0:
                publisher.flush()
            stop.wait(wait_s)
        if stop.is_set():
            break
        publisher.publish(
            message.topic,
            message.payload,
            message.received_at,
            retain=keep_retained and message.retained,
            user_properties=message.user_properties,
        )
        published += 1
    publisher.wait_all()
    return published


def publisher_of(settings: Settings) -> Publisher:
    """Return a publisher at QoS 1 to the broker that the settings name; not connected yet."""
    mqtt = settings.mqtt
    password = mqtt.password.get_secret_value() if mqtt.password else None
    return Publisher(mqtt.host, mqtt.port, username=mqtt.username, password=password, tls=mqtt.tls)


def _qos0_publisher_of(settings: Settings) -> Qos0Publisher:
    mqtt = settings.mqtt
    password = mqtt.password.get_secret_value() if mqtt.password else None
    return Qos0Publisher(mqtt.host, mqtt.port, username=mqtt.username, password=password, tls=mqtt.tls)


def replay(settings: Settings, plan: ReplayPlan, stop: threading.Event) -> Replayed:
    """Publish recordings to the broker that is set."""
    recordings = Replay(plan, clock_of(settings.clock))
    with (
        _qos0_publisher_of(settings) if plan.qos == 0 else publisher_of(settings) as publisher,
        closing(recordings.messages()) as messages,
    ):
        published = publish_due(messages, publisher, plan.speed, stop, keep_retained=plan.keep_retained)
    return Replayed(published, tuple(recordings.notes()))


def replay_alone(settings: Settings, plan: ReplayPlan, stop: threading.Event) -> tuple[Replayed, list[FeedAccount]]:
    """Replay into a City Vigil that is started for it, and wait until all has arrived.

    Its database is empty at the start, unless the user has set one.

    Returns
    -------
    What was published, and the account of every feed afterwards.

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
        replayed = replay(settings, plan, stop)
        return replayed, _wait_for_account(stack, before + replayed.published, supervisor, stop)


def replay_and_tell(settings: Settings, plan: ReplayPlan, stop: threading.Event, console: Console) -> None:
    """Replay to the broker that is set or running, else through a City Vigil of its own, and say what became of it."""
    accounts: list[FeedAccount] = []
    if broker_is_set():
        replayed, to = replay(settings, plan, stop), f" to {settings.mqtt.host}:{settings.mqtt.port}"
    else:
        (replayed, accounts), to = replay_alone(settings, plan, stop), ""
    console.print(f"published {replayed.published:,} messages{to}")
    for note in replayed.notes:
        console.print(note, soft_wrap=True, markup=False, highlight=False)
    if accounts:
        console.print(accounts_table([{**asdict(account), "closes": closes(account)} for account in accounts]))


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
