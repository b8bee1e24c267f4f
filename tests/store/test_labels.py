from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.labels import store_labels
from core.errors import StoreError
from simulators.city import build_city
from simulators.fault import Fault, FaultKind
from store.database import Connection
from store.labels import FaultLabel, add_fault_labels, fault_labels
from tests.paths import REPO

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_fault_is_recorded_once_with_what_it_shows_on(connection: Connection) -> None:
    city = build_city("tiny")
    faults = [
        Fault(FaultKind.FEEDER_LOSS, "feeder-1", START, START + HOUR),
        Fault(FaultKind.BURST, "dma-1", START + 5 * HOUR, START + 6 * HOUR, 1.5),
    ]
    assert store_labels(connection, city, faults) == 2
    assert store_labels(connection, city, faults) == 0
    found = fault_labels(connection, START, START + 24 * HOUR)
    assert [(label.kind, label.asset, label.magnitude, label.planned) for label in found] == [
        ("feeder_loss", "feeder-1", 1.0, False),
        ("burst", "dma-1", 1.5, False),
    ]
    assert found[0].affected[0] == "feeder-1"
    assert len(found[0].affected) == 21
    assert found[1].effect.startswith("A main breaks")
    assert [label.kind for label in fault_labels(connection, START + HOUR, START + 5 * HOUR)] == []
    assert [label.kind for label in fault_labels(connection, START, START + timedelta(seconds=1))] == ["feeder_loss"]


def test_a_fault_that_ends_before_it_starts_is_refused(connection: Connection) -> None:
    with pytest.raises(StoreError):
        add_fault_labels(connection, [FaultLabel("burst", False, "dma-1", ["dma-1"], START, START, 1.0, "")])


def test_nobody_who_judges_or_tells_reads_labels() -> None:
    rooms = ("engine", "detectors", "alerts", "api", "ingest", "dashboards")
    code = [path for room in rooms for path in Path(REPO / room).rglob("*.py")]
    assert [path for path in code if "store.labels" in path.read_text("utf-8")] == []
    queries = (REPO / "store" / "sql" / "queries").glob("*.sql")
    assert sorted(path.name for path in queries if "label." in path.read_text("utf-8")) == [
        "insert_fault_labels.sql",
        "select_fault_labels.sql",
    ]
