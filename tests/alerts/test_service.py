import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from structlog.typing import EventDict

import alerts.service
from alerts.service import run
from core.clock import SystemClock
from core.errors import SchemaError
from core.settings import AlertSettings, Settings
from store.database import Connection
from tests.alerts.hook import Hook, open_hook
from tests.alerts.making import anomaly, at
from tests.alerts.storing import add_dma, engine_finds, owned
from tests.wait import wait_until

PATIENCE_S = 30.0
OWN = "select pid from pg_stat_activity where application_name = 'cityvigil alerts' and datname = current_database()"


def settings_for(hook: Hook) -> Settings:
    return Settings(alerts=AlertSettings(round_s=0.05, webhook_url=SecretStr(hook.url)))


@contextmanager
def running(settings: Settings, database_url: str) -> Iterator[Sequence[EventDict]]:
    """Run the service on a thread and yield what it logs; on leaving, stop it."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings, database_url, SystemClock(), stop))
    with capture_logs() as lines:
        thread.start()
        try:
            wait_until(lambda: "service_started" in actions(lines), PATIENCE_S, "the service has started")
            yield lines
        finally:
            stop.set()
            thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert actions(lines)[-1] == "service_stopped"


def actions(lines: Sequence[EventDict]) -> list[str]:
    return [str(line["action"]) for line in lines]


def backends(connection: Connection) -> list[int]:
    return [pid for (pid,) in connection.execute(OWN)]


def starts_again(lines: Sequence[EventDict], connection: Connection, before: int, times: int) -> bool:
    """Return whether the service has started so often, and its old connection is gone."""
    return actions(lines).count("service_started") == times and before not in backends(connection)


def test_an_anomaly_is_told_while_it_runs_and_it_stops_when_asked(connection: Connection, database_url: str) -> None:
    with open_hook() as hook:
        with running(settings_for(hook), database_url):
            engine_finds(connection, owned(anomaly(), *add_dma(connection)), at(6))
            wait_until(lambda: hook.posts, PATIENCE_S, "the webhook is told")
        assert [body["change"] for _, body in hook.posts] == ["opened"]
    wait_until(lambda: not backends(connection), PATIENCE_S, "its connection is closed")


def test_it_outlives_its_connections(
    connection: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts.service, "_RETRY_AFTER_S", 0.05)
    asset = add_dma(connection)
    with open_hook() as hook, running(settings_for(hook), database_url) as lines:
        for number in range(3):
            (pid,) = backends(connection)
            connection.execute("select pg_terminate_backend(%s)", [pid])
            engine_finds(connection, owned(anomaly(since=1_000.0 * number), *asset), at(1_000.0 * number))
            wait_until(partial(starts_again, lines, connection, pid, number + 2), PATIENCE_S, "it has started again")
        wait_until(lambda: hook.posts, PATIENCE_S, "the webhook is told")
    assert actions(lines).count("store_lost") == 3
    assert actions(lines).count("service_started") == 4


def test_it_refuses_a_database_without_the_schema(empty_database: str) -> None:
    with pytest.raises(SchemaError, match="cityvigil migrate"):
        run(Settings(), empty_database, SystemClock(), threading.Event())


def test_it_can_be_stopped_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    thread = threading.Thread(target=run, args=(Settings(), nowhere, SystemClock(), stop))
    with capture_logs() as lines:
        thread.start()
        wait_until(lambda: "store_lost" in actions(lines), PATIENCE_S, "it waits for the database")
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
