"""Rows for the store's tests."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from core.asset import Asset, Domain, Series
from core.quality import QualityFlag
from core.reading import Reading
from store.batches import WrittenReadings, open_batch, write_readings
from store.copying import ReadingColumns
from store.database import Connection, transaction
from store.registry import add_assets, add_series, series_of_assets

START = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def reading(series_id: int, second: float, value: float, quality: QualityFlag = QualityFlag.GOOD) -> Reading:
    return Reading(series_id, START + second * SECOND, value, quality, START + second * SECOND)


def write(connection: Connection, readings: Sequence[Reading]) -> WrittenReadings:
    """Commit readings, whose keys are unique among themselves, as one batch."""
    columns = ReadingColumns.of(readings)
    with transaction(connection):
        batch = open_batch(connection, uuid.uuid4(), "live", columns)
        assert batch is not None
        return write_readings(connection, batch, columns)


def register(connection: Connection, *names: str) -> list[int]:
    """Add assets with one series each; return the numbers of the assets."""
    numbers = add_assets(connection, [Asset(name, Domain.WATER, "dma") for name in names])
    add_series(connection, [(numbers[name], Series(name, "flow", "m3/h")) for name in names])
    return [numbers[name] for name in names]


def series_id_of(connection: Connection, asset_id: int) -> int:
    return series_of_assets(connection, [asset_id])[0].series_id
