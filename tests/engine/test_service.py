import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from core.errors import SchemaError
from core.settings import Settings
from engine import service
from store.database import Connection
from tests.engine.town import BEGIN, LIVE, SETTINGS, InPlace, ManualClock, founded, normal
from tests.wait import wait_until

PATIENCE_S = 60.0


@contextmanager
def running(
    database_url: str, clock: ManualClock, fitter: InPlace, patch: pytest.MonkeyPatch
) -> Iterator[Sequence[EventDict]]:
    @contextmanager
    def opened(workers: int, scheduler: str | None) -> Iterator[InPlace]:
        yield fitter

    patch.setattr(service, "open_fitter", opened)
    patch.setattr(service, "_RETRY_AFTER_S", 0.01)
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            service.run(Settings(engine=SETTINGS), database_url, clock, stop)
        except BaseException as exc:  # noqa: BLE001 - handed to the test
            failures.append(exc)

    thread = threading.Thread(target=work)
    with capture_logs() as lines:
        thread.start()
        try:
            yield lines
        finally:
            stop.set()
            thread.join(PATIENCE_S)
    assert not thread.is_alive()
    for failure in failures:
        raise failure


def actions(lines: Sequence[EventDict]) -> list[str]:
    return [str(line["action"]) for line in lines]


def test_the_engine_outlives_its_database_connection_and_stops_when_told(
    connection: Connection, database_url: str, fitter: InPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    clock = ManualClock(LIVE + timedelta(hours=1))
    hour = normal(["north"], LIVE, LIVE + timedelta(hours=1))
    with running(database_url, clock, fitter, monkeypatch) as lines:
        wait_until(lambda: "round_judged" in actions(lines), PATIENCE_S, "the first round")
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'cityvigil engine' and datname = current_database()"
        )
        town.write(hour)
        wait_until(lambda: town.scores("north"), PATIENCE_S, "scores after the cut")
    assert actions(lines).count("service_started") == 2
    assert actions(lines).count("store_lost") == 1
    assert actions(lines)[-1] == "service_stopped"
    assert fitter.fitted == 1
    assert {time for _, _, time in town.scores("north")} == {time for _, time in hour}


def test_a_foreign_schema_is_no_matter_of_waiting(
    empty_database: str, fitter: InPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def opened(workers: int, scheduler: str | None) -> Iterator[InPlace]:
        yield fitter

    monkeypatch.setattr(service, "open_fitter", opened)
    # Not on a thread: nobody sets the event, so only the refusal ends it.
    with pytest.raises(SchemaError, match="cityvigil migrate"):
        service.run(Settings(engine=SETTINGS), empty_database, ManualClock(LIVE), threading.Event())
