"""Ingest with a real broker and a real database, through everything that a network does to them."""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from structlog.testing import capture_logs
from structlog.typing import EventDict

from core.clock import SystemClock
from core.errors import SchemaError, SettingsError
from core.settings import MqttSettings, Settings
from ingest.service import run
from store.accounts import feed_accounts
from store.batches import first_arrivals, forget_arrivals, remember_arrivals
from store.database import Connection
from tests.ingest.making import account, reasons
from tests.ingest.proxy import Proxy
from tests.ingest.running import (
    PATIENCE_S,
    Feed,
    Outgoing,
    actions,
    event_count,
    publish,
    publisher,
    running,
    settings_for,
    stored_numbers,
)
from tests.wait import wait_until


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def database_proxy(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Proxy, list[bool]]]:
    """Yield a connection string that leads through a proxy, the proxy, and a list: an entry swallows one commit."""
    facts = conninfo_to_dict(database_url)
    host, port = str(facts.get("host") or "127.0.0.1"), int(facts.get("port") or 5432)
    server = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
    swallow: list[bool] = []

    def is_commit(data: bytes) -> bool:
        return b"COMMIT" in data and bool(swallow) and swallow.pop()

    with Proxy(server, swallow=is_commit) as proxy:
        yield make_conninfo(database_url, host="127.0.0.1", port=proxy.port), proxy, swallow


def connected(lines: Sequence[EventDict], times: int) -> bool:
    return actions(lines).count("broker_connected") >= times


def all_stored(connection: Connection, count: int) -> bool:
    return len(stored_numbers(connection)) >= count


def test_every_message_is_stored_once_and_then_forgotten_by_the_broker(
    broker: tuple[str, int], database_url: str, connection: Connection, feed: Feed
) -> None:
    settings = settings_for(broker, feed.topics)
    with running(settings, database_url), publisher(broker) as client:
        publish(client, feed.numbered(0, 500))
        wait_until(lambda: all_stored(connection, 500), PATIENCE_S, "500 readings")
    assert account(connection).received == 500
    with running(settings, database_url), publisher(broker) as client:
        publish(client, feed.numbered(500, 10))
        wait_until(lambda: all_stored(connection, 510), PATIENCE_S, "10 more")
    assert stored_numbers(connection) == list(range(510))
    assert event_count(connection) == 510
    counted = account(connection)
    assert (counted.received, counted.duplicate) == (510, 0)


def test_what_comes_while_ingest_is_away_waits_at_the_broker(
    broker: tuple[str, int], database_url: str, connection: Connection, feed: Feed
) -> None:
    settings = settings_for(broker, feed.topics)
    with publisher(broker) as client:
        with running(settings, database_url):
            pass
        publish(client, feed.numbered(0, 700))
        with running(settings, database_url):
            wait_until(lambda: all_stored(connection, 700), PATIENCE_S, "700 readings")
    assert stored_numbers(connection) == list(range(700))


def test_bad_messages_around_good_ones_become_dead_letters(
    broker: tuple[str, int], database_url: str, connection: Connection, feed: Feed
) -> None:
    good = feed.numbered(0, 5)
    topic = good[0].topic
    bad = [
        Outgoing(topic, good[0].payload[:-3]),
        Outgoing(topic, b'{"readings": 5}'),
        Outgoing(topic, bytes(1_000_000)),
        Outgoing(topic, b'{"time": "1970-01-01T00:00:00Z", "events": [{"kind": "x"}]}'),
        Outgoing(topic, b'{"time": "2099-01-01T00:00:00Z", "events": [{"kind": "x"}]}'),
    ]
    with running(settings_for(broker, feed.topics), database_url), publisher(broker) as client:
        publish(client, [m for pair in zip(good, bad, strict=True) for m in pair])
        wait_until(lambda: len(reasons(connection)) == 5, PATIENCE_S, "five dead letters")
        wait_until(lambda: all_stored(connection, 5), PATIENCE_S, "five readings")
    assert sorted(reason for _, reason in reasons(connection)) == [
        "malformed_payload", "time_out_of_window", "time_out_of_window", "too_large", "wrong_type"
    ]  # fmt: skip
    assert stored_numbers(connection) == list(range(5))


def test_a_retained_message_without_a_time_is_old_news(
    broker: tuple[str, int], database_url: str, connection: Connection, feed: Feed
) -> None:
    payload = b'{"readings": [{"metric": "flow", "value": 1, "unit": "m3/h"}]}'
    with publisher(broker) as client:
        publish(client, [Outgoing(f"{feed.root}/kept", payload, retain=True)])
        with running(settings_for(broker, feed.topics), database_url):
            wait_until(lambda: account(connection).received == 1, PATIENCE_S, "the retained message")
    assert account(connection).stale_retained == 1
    assert stored_numbers(connection) == []


def test_a_cut_connection_to_the_broker_costs_nothing(
    broker: tuple[str, int], database_url: str, connection: Connection, feed: Feed
) -> None:
    with (
        Proxy(broker) as proxy,
        publisher(broker) as client,
        running(settings_for(("127.0.0.1", proxy.port), feed.topics), database_url) as lines,
    ):
        for cut in range(3):
            publish(client, feed.numbered(300 * cut, 300))
            proxy.cut()
            wait_until(partial(connected, lines, cut + 2), PATIENCE_S, "the next connection")
        wait_until(lambda: all_stored(connection, 900), PATIENCE_S, "900 readings")
    assert stored_numbers(connection) == list(range(900))
    assert event_count(connection) == 900
    counted = account(connection)
    assert counted.decoded == counted.stored + counted.duplicate
    assert counted.stored == 900


def test_a_database_that_ends_our_session_is_waited_for(
    broker: tuple[str, int], database_url: str, connection: Connection, feed: Feed
) -> None:
    terminate = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'cityvigil ingest' and datname = current_database()"
    )
    with running(settings_for(broker, feed.topics), database_url) as lines, publisher(broker) as client:
        for turn in range(4):
            connection.execute(terminate)
            publish(client, feed.numbered(200 * turn, 200))
            wait_until(partial(all_stored, connection, 200 * (turn + 1)), PATIENCE_S, "the readings")
    assert stored_numbers(connection) == list(range(800))
    assert account(connection).received == account(connection).accepted + account(connection).without_reading
    assert "store_lost" in actions(lines)


def test_a_commit_whose_answer_is_lost_is_counted_once(
    broker: tuple[str, int],
    connection: Connection,
    feed: Feed,
    database_proxy: tuple[str, Proxy, list[bool]],
) -> None:
    url, proxy, swallow = database_proxy
    bad = [Outgoing(f"{feed.root}/bad", b"{%d" % number) for number in range(5)]
    with running(settings_for(broker, feed.topics), url), publisher(broker) as client:
        opened = proxy.connections
        swallow.append(True)
        publish(client, [*feed.numbered(0, 20), *bad])
        wait_until(lambda: account(connection).received >= 25, PATIENCE_S, "25 messages")
        wait_until(lambda: proxy.connections > opened, PATIENCE_S, "a new connection to the database")
    counted = account(connection)
    assert not swallow
    assert stored_numbers(connection) == list(range(20))
    assert (counted.received, counted.duplicate, counted.stored) == (25, 0, 20)
    assert len(reasons(connection)) == 5


def test_stopping_while_the_database_is_away_leaves_the_messages_to_the_broker(
    broker: tuple[str, int],
    database_url: str,
    connection: Connection,
    feed: Feed,
    database_proxy: tuple[str, Proxy, list[bool]],
) -> None:
    url, proxy, _ = database_proxy
    settings = settings_for(broker, feed.topics)
    with publisher(broker) as client:
        with running(settings, url) as lines:
            proxy.close_for_good()
            publish(client, feed.numbered(0, 30))
            wait_until(lambda: "store_lost" in actions(lines), PATIENCE_S, "the loss")
        assert stored_numbers(connection) == []
        with running(settings, database_url):
            wait_until(lambda: all_stored(connection, 30), PATIENCE_S, "30 readings")
    assert stored_numbers(connection) == list(range(30))


def test_two_processes_with_one_name_do_not_run_hot(
    broker: tuple[str, int], database_url: str, connection: Connection, feed: Feed
) -> None:
    with Proxy(broker) as proxy, publisher(broker) as client:
        settings = settings_for(("127.0.0.1", proxy.port), feed.topics)
        with running(settings, database_url), running(settings, database_url):
            publish(client, feed.numbered(0, 300))
            wait_until(lambda: all_stored(connection, 300), PATIENCE_S, "300 readings")
            wait_until(lambda: proxy.connections >= 4, PATIENCE_S, "a few take-overs")
        # Each process waits at least 0.5 s, then 1 s, then 2 s, …: more than this needs minutes.
        assert proxy.connections < 20
    assert stored_numbers(connection) == list(range(300))


def test_a_database_without_the_schema_is_refused(empty_database: str) -> None:
    with pytest.raises(SchemaError, match="migrate"):
        run(Settings(), empty_database, SystemClock(), threading.Event())


def test_a_topic_filter_that_is_none_is_refused(database_url: str) -> None:
    with pytest.raises(SettingsError):
        run(Settings(mqtt=MqttSettings(topics=("a/#/b",))), database_url, SystemClock(), threading.Event())


def test_ingest_waits_for_a_broker_that_is_not_there_yet(database_url: str, connection: Connection) -> None:
    stop = threading.Event()
    with capture_logs() as lines:
        settings = settings_for(("127.0.0.1", 9), ("x",))
        thread = threading.Thread(target=run, args=(settings, database_url, SystemClock(), stop))
        thread.start()
        wait_until(lambda: actions(lines).count("broker_lost") >= 2, PATIENCE_S, "two attempts")
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert feed_accounts(connection) == []


def test_arrivals_that_no_broker_repeats_are_forgotten(connection: Connection) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    remember_arrivals(connection, {b"old": now - timedelta(days=2), b"new": now})
    forget_arrivals(connection, now - timedelta(days=1))
    assert first_arrivals(connection, [b"old", b"new"], now - timedelta(days=9)) == {b"new": now}
