"""No committed reading is passed over, in whatever order writers commit."""

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np

from core.anomaly import Anomaly, AnomalyKind
from core.asset import Asset, Domain, Series
from core.quality import QualityFlag
from core.reading import Reading
from store.arrivals import (
    BEGINNING,
    anomalies_since,
    move_cursor,
    present_horizon,
    read_cursor,
    readings_since,
)
from store.batches import open_batch, write_readings
from store.copying import ReadingColumns
from store.database import Connection, connect
from store.judgements import add_anomaly
from store.registry import add_assets, add_series, all_series

NOON = datetime(2026, 9, 16, 12, tzinfo=UTC)


def _one_series(connection: Connection) -> int:
    asset_id = add_assets(connection, [Asset("dma-1", Domain.WATER, "dma")])["dma-1"]
    add_series(connection, [(asset_id, Series("dma-1", "flow", "m3/h"))])
    return all_series(connection)[0].series_id


def _write(connection: Connection, series_id: int, minute: int) -> None:
    reading = Reading(series_id, NOON + timedelta(minutes=minute), float(minute), QualityFlag.GOOD, NOON)
    columns = ReadingColumns.of([reading])
    batch_id = open_batch(connection, uuid.uuid4(), "live", columns)
    assert batch_id is not None
    write_readings(connection, batch_id, columns)


def test_a_writer_that_commits_late_is_not_passed_over(connection: Connection, database_url: str) -> None:
    series_id = _one_series(connection)
    seen: list[float] = []
    with connect(database_url, "slow") as slow, connect(database_url, "fast") as fast:
        with slow.transaction():
            _write(slow, series_id, 1)
            with fast.transaction():
                _write(fast, series_id, 2)
            between = readings_since(connection, BEGINNING)
            seen += between.value.tolist()
            with fast.transaction():
                _write(fast, series_id, 3)
        after = readings_since(connection, between.horizon)
        seen += after.value.tolist()
        seen += readings_since(connection, after.horizon).value.tolist()
    assert sorted(seen) == [1.0, 2.0, 3.0]


def test_a_writer_that_gives_up_leaves_nothing_and_holds_nothing_up(connection: Connection, database_url: str) -> None:
    series_id = _one_series(connection)
    with connect(database_url, "writer") as writer:
        with writer.transaction(force_rollback=True):
            _write(writer, series_id, 1)
        with writer.transaction():
            _write(writer, series_id, 2)
    arrived = readings_since(connection, BEGINNING)
    assert arrived.value.tolist() == [2.0]
    assert readings_since(connection, arrived.horizon).value.size == 0


def test_each_reading_arrives_once_however_often_one_asks(connection: Connection) -> None:
    series_id, horizon = _one_series(connection), BEGINNING
    seen: list[float] = []
    for minute in range(20):
        with connection.transaction():
            _write(connection, series_id, minute)
        for _ in range(minute % 3):
            arrived = readings_since(connection, horizon)
            seen, horizon = seen + arrived.value.tolist(), arrived.horizon
    seen += readings_since(connection, horizon).value.tolist()
    assert sorted(seen) == [float(minute) for minute in range(20)]


def test_a_cursor_moves_with_the_transaction_that_moves_it(connection: Connection) -> None:
    assert read_cursor(connection, "reader") is None
    with connection.transaction(force_rollback=True):
        move_cursor(connection, "reader", present_horizon(connection))
    assert read_cursor(connection, "reader") is None
    horizon = present_horizon(connection)
    with connection.transaction():
        move_cursor(connection, "reader", horizon)
    assert read_cursor(connection, "reader") == horizon


def test_what_arrives_is_what_was_written_to_the_microsecond(connection: Connection) -> None:
    series_id = _one_series(connection)
    time = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    columns = ReadingColumns.of([Reading(series_id, time, -0.1, QualityFlag.SUSPECT, NOON)])
    with connection.transaction():
        batch_id = open_batch(connection, uuid.uuid4(), "backfill", columns)
        assert batch_id is not None
        write_readings(connection, batch_id, columns)
    arrived = readings_since(connection, BEGINNING)
    assert arrived.time.tolist() == [time.replace(tzinfo=None)]
    assert arrived.value.tolist() == [-0.1]
    assert arrived.quality.tolist() == [QualityFlag.SUSPECT]
    assert arrived.series_id.dtype == np.int32


def test_changed_anomalies_are_followed_by_asset(connection: Connection) -> None:
    _one_series(connection)
    horizon, assets = anomalies_since(connection, BEGINNING)
    assert assets == set()
    anomaly = Anomaly(
        asset_id=1,
        detector="prophet_band",
        kind=AnomalyKind.ASSET,
        since=NOON,
        last_at=NOON,
        ended_at=None,
        retracted=False,
        detected_at=NOON,
        p_value=1e-7,
        severity=50.0,
        score=3.0,
        threshold=5e-6,
        model_version="1",
    )
    add_anomaly(connection, None, anomaly)
    horizon, assets = anomalies_since(connection, horizon)
    assert assets == {1}
    assert anomalies_since(connection, horizon)[1] == set()
