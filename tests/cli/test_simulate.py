import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.simulate import city_of, inject, simulate
from cli.status import closes
from core.errors import InputFileError
from core.settings import Settings
from simulators.fault import Fault, FaultError, FaultKind
from simulators.faults import append_fault, read_faults
from store.database import Connection
from store.registry import all_series
from store.series_data import points
from tests.cli.ingesting import PATIENCE_S, ingesting, received, settings_for, wait_for_messages
from tests.wait import wait_until

START = datetime(2026, 9, 16, 17, 0, tzinfo=UTC)


class HandClock:
    """Shows the time that the test sets; waiting on it takes no time."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time

    def to_wall_s(self, _span_s: float) -> float:
        return 0.0


def test_what_is_published_is_what_arrives(
    own_broker: tuple[str, int], connection: Connection, database_url: str, tmp_path: Path
) -> None:
    settings = settings_for(own_broker)
    end = START + timedelta(minutes=4)
    clock = HandClock(end)
    with ingesting(settings, database_url, clock):
        labels = tmp_path / "faults.jsonl"
        published = simulate(settings, city_of(settings, "tiny", 7), START, labels, clock, threading.Event(), end)
        accounts = wait_for_messages(connection, published)
    assert published > 500
    assert received(connection) == published
    assert {account.feed for account in accounts} == {"hfp", "cityvigil_json"}
    assert all(closes(account) for account in accounts)
    assert sum(account.rejected for account in accounts) == 0


def test_a_fault_that_is_appended_while_it_runs_is_taken_up(
    own_broker: tuple[str, int], connection: Connection, database_url: str, tmp_path: Path
) -> None:
    settings = settings_for(own_broker)
    city, labels, clock = city_of(settings, "tiny", 7), tmp_path / "faults.jsonl", HandClock(START)
    end = START + timedelta(minutes=31)
    counted: list[int] = []

    def publish() -> None:
        counted.append(simulate(settings, city, START, labels, clock, threading.Event(), end))

    with ingesting(settings, database_url, clock):
        thread = threading.Thread(target=publish)
        thread.start()
        clock.time = START + timedelta(minutes=6)
        wait_until(lambda: received(connection) > 100, PATIENCE_S, "the city has spoken")
        fault = inject(
            settings, city, labels, FaultKind.FEEDER_LOSS, "feeder-1", timedelta(hours=1), START + timedelta(minutes=11)
        )
        clock.time = end
        thread.join(PATIENCE_S)
        assert counted, "it ends by itself"
        wait_for_messages(connection, counted[0])
    assert fault.start == START + timedelta(minutes=12)
    (voltage,) = (s for s in all_series(connection) if (s.asset, s.metric) == ("feeder-1", "voltage"))
    found = {p.time: p.value for p in points(connection, voltage.series_id, START, end, 100)}
    assert {time >= fault.start for time in found} == {True, False}
    for time, value in found.items():
        assert (value < 10) == (time >= fault.start), (time, value)


def test_it_stops_when_asked(own_broker: tuple[str, int], tmp_path: Path) -> None:
    settings, stop = settings_for(own_broker), threading.Event()
    counted: list[int] = []

    def publish() -> None:
        city = city_of(settings, "tiny", 7)
        counted.append(simulate(settings, city, START, tmp_path / "none", HandClock(START), stop))

    thread = threading.Thread(target=publish)
    thread.start()
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert len(counted) == 1


def test_a_label_file_with_a_broken_line_is_named(own_broker: tuple[str, int], tmp_path: Path) -> None:
    labels = tmp_path / "faults.jsonl"
    append_fault(labels, Fault(FaultKind.BURST, "dma-1", START, START + timedelta(hours=1)))
    with labels.open("a") as file:
        file.write("nonsense\n")
    settings = settings_for(own_broker)
    with pytest.raises(InputFileError, match="line 2"):
        simulate(settings, city_of(settings, "tiny", 7), START, labels, HandClock(START), threading.Event(), START)


def test_an_injected_fault_is_its_own_label(tmp_path: Path) -> None:
    labels = tmp_path / "faults.jsonl"
    city = city_of(Settings(), "tiny", 7)
    fault = inject(Settings(), city, labels, FaultKind.LAMP_OUT, "lamp-07", timedelta(minutes=30), START)
    assert START < fault.start <= START + timedelta(minutes=5)
    assert fault.end - fault.start == timedelta(minutes=30)
    assert read_faults(labels) == (fault,)


def test_a_fault_that_does_not_fit_is_not_written(tmp_path: Path) -> None:
    labels = tmp_path / "faults.jsonl"
    with pytest.raises(FaultError):
        inject(
            Settings(),
            city_of(Settings(), "tiny", 7),
            labels,
            FaultKind.LAMP_OUT,
            "dma-1",
            timedelta(minutes=30),
            START,
        )
    assert not labels.exists()
