import logging
import random
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import capture_logs

import alerts.outbox
from alerts.outbox import Channel, LogChannel, Outbox, WebhookChannel, retry_after_s
from alerts.service import open_channels
from core.clock import Clock, ScaledClock
from core.errors import SettingsError
from core.logging import log_of
from core.settings import AlertSettings
from store.database import Connection, connect
from store.incidents import outbox_counts, post
from tests.alerts.hook import SECRET, Hook, open_hook
from tests.alerts.making import NOON, StandingClock, anomaly
from tests.alerts.storing import add_dma, engine_finds, owned, tracker
from tests.wait import wait_until

BODY = {"explanation": "dma-1: flow ‧ high", "severity": 55.5, "change": "opened"}
ATTEMPTS = 5


class Middle(random.Random):
    """Draws what leaves a wait as it is."""

    def random(self) -> float:
        return 0.5


@pytest.fixture
def incident_id(connection: Connection) -> int:
    """Return the number of an incident that messages can tell of, with an empty outbox."""
    engine_finds(connection, owned(anomaly(), *add_dma(connection)), NOON)
    tracker(connection).round()
    connection.execute("delete from outbox")
    row = connection.execute("select incident_id from incident").fetchone()
    assert row is not None
    return int(row[0])


def put(connection: Connection, incident_id: int, *keys: str, channel: str = "webhook") -> None:
    for key in keys:
        post(connection, key, incident_id, channel, BODY, NOON)


@contextmanager
def outbox_to(connection: Connection, url: str, clock: Clock, timeout_s: float = 5.0) -> Iterator[Outbox]:
    settings = AlertSettings(webhook_url=SecretStr(url), webhook_timeout_s=timeout_s, webhook_attempts=ATTEMPTS)
    with open_channels(settings) as channels:
        yield Outbox(connection, settings, channels, clock, log_of("tests"), Middle())


def counts(connection: Connection) -> tuple[int, int, int]:
    (count,) = outbox_counts(connection)
    return count.waiting, count.sent, count.failed


def last_error(connection: Connection) -> str:
    row = connection.execute("select last_error from outbox").fetchone()
    assert row is not None
    return str(row[0])


def test_a_message_is_delivered_once_with_its_key_and_body(connection: Connection, incident_id: int) -> None:
    put(connection, incident_id, "k1")
    with open_hook() as hook, outbox_to(connection, hook.url, StandingClock()) as outbox:
        assert [outbox.round(), outbox.round()] == [1, 0]
        assert hook.posts == [("k1", BODY)]
    assert counts(connection) == (0, 1, 0)


def test_messages_leave_in_their_order(connection: Connection, incident_id: int) -> None:
    put(connection, incident_id, *"abc")
    with open_hook(201, 202, 204) as hook, outbox_to(connection, hook.url, StandingClock()) as outbox:
        assert outbox.round() == 3
        assert hook.keys == ["a", "b", "c"]


@pytest.mark.parametrize("status", [500, 503, 429, 408, 425, 301])
def test_what_was_not_taken_is_sent_again_after_a_wait_with_the_same_key(
    connection: Connection, incident_id: int, status: int
) -> None:
    put(connection, incident_id, "k1")
    clock = StandingClock()
    with open_hook(status, 200) as hook, outbox_to(connection, hook.url, clock) as outbox:
        assert outbox.round() == 0
        assert str(status) in last_error(connection)
        clock.time += timedelta(seconds=1.9)
        assert outbox.round() == 0
        assert hook.keys == ["k1"]
        clock.time += timedelta(seconds=0.2)
        assert outbox.round() == 1
        assert hook.keys == ["k1", "k1"]
    assert counts(connection) == (0, 1, 0)
    assert last_error(connection) == ""


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_what_will_never_be_taken_is_given_up_and_holds_nothing_else_up(
    connection: Connection, incident_id: int, status: int
) -> None:
    put(connection, incident_id, "k1", "k2")
    with open_hook(status, 200) as hook, outbox_to(connection, hook.url, StandingClock()) as outbox:
        with capture_logs() as lines:
            assert outbox.round() == 1
        assert hook.keys == ["k1", "k2"]
    assert [(line["action"], line["log_level"]) for line in lines] == [("message_failed", "error")]
    assert counts(connection) == (0, 1, 1)


def test_it_is_given_up_after_so_many_attempts(connection: Connection, incident_id: int) -> None:
    put(connection, incident_id, "k1")
    clock = StandingClock()
    with open_hook(500) as hook, outbox_to(connection, hook.url, clock) as outbox:
        for _ in range(ATTEMPTS + 3):
            outbox.round()
            clock.time += timedelta(hours=1)
        assert len(hook.posts) == ATTEMPTS
    assert counts(connection) == (0, 0, 1)


def test_a_server_that_does_not_answer_is_put_off(connection: Connection, incident_id: int) -> None:
    put(connection, incident_id, "k1", "k2")
    with open_hook() as hook, outbox_to(connection, hook.url, StandingClock(), timeout_s=0.1) as outbox:
        hook.answered.clear()
        assert outbox.round() == 0
        assert hook.keys == ["k1"], "the next one is not made to wait as long"
    assert counts(connection) == (2, 0, 0)


def test_a_server_that_is_away_is_put_off(connection: Connection, incident_id: int) -> None:
    put(connection, incident_id, "k1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/{SECRET}"
        with outbox_to(connection, url, StandingClock()) as outbox:
            assert outbox.round() == 0
    assert counts(connection) == (1, 0, 0)
    assert last_error(connection) == "the webhook could not be reached: ConnectError"


def test_a_crash_between_sending_and_noting_repeats_once_with_the_same_key(
    connection: Connection, incident_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(connection, incident_id, "k1")

    def crash(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with open_hook() as hook, outbox_to(connection, hook.url, StandingClock()) as outbox:
        with monkeypatch.context() as patch:
            patch.setattr(alerts.outbox, "mark_sent", crash)
            with pytest.raises(KeyboardInterrupt):
                outbox.round()
        assert [outbox.round(), outbox.round()] == [1, 0]
        assert hook.keys == ["k1", "k1"]


def test_two_outboxes_at_once_send_each_message_once(
    connection: Connection, incident_id: int, database_url: str
) -> None:
    keys = [f"k{number}" for number in range(20)]
    put(connection, incident_id, *keys)
    taken: list[int] = []
    with open_hook() as hook, connect(database_url, "tests") as other:
        hook.answered.clear()

        def send(own: Connection) -> None:
            with outbox_to(own, hook.url, StandingClock()) as outbox:
                taken.append(outbox.round())

        threads = [threading.Thread(target=send, args=(own,)) for own in (connection, other)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(hook.posts) == 2, 20, "both are sending")
        hook.answered.set()
        for thread in threads:
            thread.join(20)
    assert sum(taken) == len(keys)
    assert sorted(hook.keys) == sorted(keys)


def said(lines: Sequence[Mapping[str, Any]], caplog: pytest.LogCaptureFixture, connection: Connection) -> str:
    return f"{lines} {caplog.text} {last_error(connection)}"


@pytest.mark.parametrize("statuses", [(200,), (500,), (404,), (301,)])
def test_the_address_is_a_secret_whatever_is_answered(
    connection: Connection, incident_id: int, statuses: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    put(connection, incident_id, "k1")
    with caplog.at_level(logging.INFO), capture_logs() as lines, open_hook(*statuses) as hook:
        with outbox_to(connection, hook.url, StandingClock()) as outbox:
            outbox.round()
        assert SECRET not in said(lines, caplog, connection)
        assert str(hook.port) not in said(lines, caplog, connection)


@pytest.mark.parametrize("url", ["ftp://hooks.example/", "hooks.example/", "http://", "http://hooks:port/"])
def test_an_address_that_is_none_is_said_at_the_start_without_showing_it(url: str) -> None:
    settings = AlertSettings(webhook_url=SecretStr(f"{url}{SECRET}" if url != "http://" else url))
    with pytest.raises(SettingsError, match="CITYVIGIL_ALERTS__WEBHOOK_URL") as caught, open_channels(settings):
        pass
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_httpx_says_of_the_address_is_in_no_error() -> None:
    with httpx.Client() as client, pytest.raises(alerts.outbox.DeliveryDelayedError) as caught:
        WebhookChannel(f"http://127.0.0.1:0/{SECRET}", client).send("k", {})
    assert SECRET not in str(caught.value)


def test_a_channel_that_is_not_set_any_more_gives_its_messages_up(connection: Connection, incident_id: int) -> None:
    put(connection, incident_id, "k1", channel="pager")
    with open_hook() as hook, outbox_to(connection, hook.url, StandingClock()) as outbox:
        assert outbox.round() == 0
        assert hook.posts == []
    assert counts(connection) == (0, 0, 1)
    assert "pager" in last_error(connection)


def test_the_log_is_a_channel_for_people() -> None:
    body = {
        "queue": "crews", "incident_id": 3, "change": "opened", "explanation": "dma-1: flow high", "severity": 55.5,
        "page_url": "http://page/", "map_url": None,
    }  # fmt: skip
    channel: Channel = LogChannel(log_of("tests"))
    with capture_logs() as lines:
        channel.send("k1", body)
    (line,) = lines
    assert line["event"] == "crews: incident 3 opened: dma-1: flow high"
    assert (line["action"], line["key"]) == ("message_sent", "k1")


def test_a_round_ends_although_messages_go_on_coming(connection: Connection, incident_id: int) -> None:
    put(connection, incident_id, *(f"k{number}" for number in range(250)))
    with open_hook() as hook, outbox_to(connection, hook.url, StandingClock()) as outbox:
        assert [outbox.round(), outbox.round(), outbox.round(), outbox.round()] == [100, 100, 50, 0]
        assert len(set(hook.keys)) == 250


def test_waiting_is_real_time_on_a_clock_that_runs_faster(connection: Connection, incident_id: int) -> None:
    put(connection, incident_id, "k1")
    wall_s = NOON.timestamp()
    clock = ScaledClock(NOON, NOON, 60.0, lambda: wall_s)
    with open_hook(500, 200) as hook, outbox_to(connection, hook.url, clock) as outbox:
        outbox.round()
        wall_s += 1.9
        assert outbox.round() == 0
        wall_s += 0.2
        assert outbox.round() == 1
        assert isinstance(hook, Hook)


@given(attempts=st.integers(0, 100_000), jitter=st.floats(0, 1, exclude_max=True))
def test_waits_double_up_to_a_bound_and_spread(attempts: int, jitter: float) -> None:
    plain = min(2.0 * 2 ** min(attempts, 20), 900.0)
    assert 0.75 * plain <= retry_after_s(attempts, jitter) <= 1.25 * plain
