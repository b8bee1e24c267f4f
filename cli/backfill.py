"""Puts the past of a simulated city into the store."""

import uuid
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from core.logging import Action, log_of
from core.quality import QualityFlag
from simulators.city import City
from simulators.history import HistoryBlock, history
from store.batches import open_batch, write_readings
from store.copying import ReadingColumns
from store.database import Connection, translated_errors
from store.registry import add_assets, add_series, series_of_assets
from store.series_data import analyze_readings


def register(connection: Connection, city: City) -> list[int]:
    """Add a city's assets and series to the registry; return the number of each series, in the city's order."""
    asset_ids = add_assets(connection, city.assets)
    add_series(connection, [(asset_ids[series.asset], series) for series in city.series])
    stored = series_of_assets(connection, list(asset_ids.values()))
    numbers = {(series.asset, series.metric): series.series_id for series in stored}
    return [numbers[series.asset, series.metric] for series in city.series]


def backfill(connection: Connection, city: City, start: datetime, end: datetime) -> int:
    """Store a city's past, a transaction per day, and return how many readings were new.

    Days that are stored already are stored again without effect: each reading keeps its first value.

    Parameters
    ----------
    start, end
        Event times: start <= time < end.
    """
    numbers = np.array(register(connection, city), dtype=np.int32)
    stored = sum(_store(connection, _columns(block, numbers)) for block in history(city, start, end))
    analyze_readings(connection)
    log_of("backfill").debug(
        f"stored {stored:,} readings of {city.name}",
        Action.HISTORY_STORED,
        readings=stored,
        start=start.isoformat(),
        end=end.isoformat(),
    )
    return stored


def _columns(block: HistoryBlock, numbers: NDArray[np.int32]) -> ReadingColumns:
    return ReadingColumns(
        series_id=numbers[block.series_index],
        time=block.times,
        value=block.values,
        quality=np.full(len(block.times), QualityFlag.GOOD, dtype=np.int16),
        received_at=block.times,
    )


def _store(connection: Connection, columns: ReadingColumns) -> int:
    with translated_errors(), connection.transaction():
        batch_id = open_batch(connection, uuid.uuid4(), "backfill", columns)
        return 0 if batch_id is None else write_readings(connection, batch_id, columns).stored
