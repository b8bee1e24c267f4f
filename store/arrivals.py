"""What has been committed since: the engine's and the alerts' way to miss nothing.

A reader remembers a transaction horizon. Everything below it is committed or gone for good; everything at or above
it is asked for again. So it does not matter in which order writers commit. A transaction anywhere in the same
server that writes and stays open holds the horizon back: readers wait for it, they never pass it over.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from store.copying import to_datetime64
from store.database import Connection, translated_errors
from store.queries import query

BEGINNING = "0"
"""The horizon before everything."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Readings that became visible; all arrays have shape (n,).

    Attributes
    ----------
    horizon
        To be asked from next time.
    series_id, time, value, quality
        int32; datetime64[us], UTC; float64; int16. In no particular order.
    """

    horizon: str
    series_id: NDArray[np.int32]
    time: NDArray[np.datetime64]
    value: NDArray[np.float64]
    quality: NDArray[np.int16]


def present_horizon(connection: Connection) -> str:
    """Return the horizon as it is now: what comes after it has not been read."""
    with translated_errors():
        row = connection.execute(query("select_horizon")).fetchone()
    return str(row[0]) if row else BEGINNING


def readings_since(connection: Connection, after: str) -> Arrived:
    """Return all readings whose batch became visible since the horizon `after`."""
    with translated_errors():
        rows = connection.execute(query("select_batches_since"), {"after": after}).fetchall()
        batches = [batch for _, batch in rows if batch is not None]
        found = (
            connection.execute(query("select_readings_of_batches"), {"batch_ids": batches}, binary=True).fetchall()
            if batches
            else []
        )
    series, times, values, qualities = zip(*found, strict=True) if found else ((), (), (), ())
    return Arrived(
        horizon=rows[0][0],
        series_id=np.array(series, dtype=np.int32),
        time=to_datetime64(times),
        value=np.array(values, dtype=np.float64),
        quality=np.array(qualities, dtype=np.int16),
    )


def anomalies_since(connection: Connection, after: str) -> tuple[str, set[int]]:
    """Return the next horizon, and the assets whose anomalies were written or revised since `after`."""
    with translated_errors():
        rows = connection.execute(query("select_anomalies_since"), {"after": after}).fetchall()
    return rows[0][0], {asset for _, anomaly, asset in rows if anomaly is not None}


def read_cursor(connection: Connection, consumer: str) -> str | None:
    """Return the horizon that a consumer has read up to; None if it never has."""
    with translated_errors():
        row = connection.execute(query("select_cursor"), {"consumer": consumer}).fetchone()
    return None if row is None else str(row[0])


def move_cursor(connection: Connection, consumer: str, horizon: str, watermark: datetime | None = None) -> None:
    """Remember the horizon; to be called in the transaction that writes what was made of the readings.

    Parameters
    ----------
    watermark
        Event time up to which the consumer has worked; None leaves the old one.
    """
    parameters = {"consumer": consumer, "xid": horizon, "watermark": watermark}
    with translated_errors():
        connection.execute(query("upsert_cursor"), parameters)
