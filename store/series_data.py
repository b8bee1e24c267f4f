"""Readings and bands of series in a span of time, for fits and for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import class_row

from core.anomaly import Expectation
from store.copying import to_datetime64
from store.database import Connection, translated_errors
from store.queries import query


@dataclass(frozen=True, slots=True)
class Stepped:
    """Readings on a grid; all arrays have shape (n,), ordered by series and time.

    Attributes
    ----------
    series_id
        int32.
    step_end
        datetime64[us], UTC: the readings lie in the step that ends here, its end included.
    total
        float64, in the series' unit: their sum.
    samples
        int64: how many they are.
    """

    series_id: NDArray[np.int32]
    step_end: NDArray[np.datetime64]
    total: NDArray[np.float64]
    samples: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Point:
    """A reading, or a step of readings, as it is drawn.

    Attributes
    ----------
    time
        Event time of the reading, or start of the step, in UTC.
    value, least, largest
        In the series' unit; all three the same for a single reading.
    quality
        QARTOD flag, the worst of the step.
    """

    time: datetime
    value: float
    least: float
    largest: float
    quality: int


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """One score of one detector."""

    time: datetime
    detector: str
    score: float
    p_value: float


def stepped_readings(
    connection: Connection, series_ids: Sequence[int], span: tuple[datetime, datetime], step_s: int, before: str
) -> Stepped:
    """Return readings of some series on a grid, bad ones left out.

    Parameters
    ----------
    span
        Event times: after the first, up to and including the second.
    step_s
        Seconds; the grid counts from 2000-01-01 00:00 UTC.
    before
        Transaction horizon (`store.arrivals`): what was committed at it or later is left out.
    """
    parameters = {
        "series_ids": list(series_ids),
        "after": span[0],
        "until": span[1],
        "step_s": step_s,
        "from_xid": before,
    }
    with translated_errors():
        rows = connection.execute(query("select_stepped_readings"), parameters, binary=True).fetchall()
    series, ends, totals, samples = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Stepped(
        series_id=np.array(series, dtype=np.int32),
        step_end=to_datetime64(ends),
        total=np.array(totals, dtype=np.float64),
        samples=np.array(samples, dtype=np.int64),
    )


def latest_event_times(connection: Connection, series_ids: Sequence[int]) -> dict[int, datetime]:
    """Return the event time of the latest reading of each of these series that has one which is not bad."""
    with translated_errors():
        return dict(connection.execute(query("select_latest_event_times"), {"series_ids": list(series_ids)}))


def analyze_readings(connection: Connection) -> None:
    """Have the planner learn how readings are distributed; after a back-fill it knows nothing of them."""
    with translated_errors():
        connection.execute(query("analyze_readings"))


def points(connection: Connection, series_id: int, since: datetime, until: datetime, most: int) -> list[Point]:
    """Return a series as it is drawn: each reading, or steps of readings where there are more than `most`.

    Parameters
    ----------
    since, until
        Event times, inclusive.
    most
        Points at most; greater than 0.
    """
    span: dict[str, object] = {"series_id": series_id, "since": since, "until": until}
    with translated_errors():
        row = connection.execute(query("count_readings"), span).fetchone()
        if row is not None and row[0] > most:
            span["step_s"] = max(1, int(np.ceil((until - since).total_seconds() / (most - 1))))
            rows = connection.execute(query("select_thinned_readings"), span)
            return [Point(time, mean, least, largest, worst) for time, mean, least, largest, worst, _ in rows]
        rows = connection.execute(query("select_readings"), {**span, "count": most})
        return [Point(time, value, value, value, quality) for time, value, quality in rows]


def expectations(connection: Connection, series_id: int, since: datetime, until: datetime) -> list[Expectation]:
    """Return the band of a series in a span of event time, oldest first."""
    span = {"series_id": series_id, "since": since, "until": until}
    with translated_errors(), connection.cursor(row_factory=class_row(Expectation)) as cursor:
        return cursor.execute(query("select_expectations"), span).fetchall()


def scores(connection: Connection, asset_id: int, series_id: int, since: datetime, until: datetime) -> list[ScorePoint]:
    """Return the scores of a series (0: of the asset as a whole) in a span of event time, oldest first."""
    span = {"asset_id": asset_id, "series_id": series_id, "since": since, "until": until}
    with translated_errors(), connection.cursor(row_factory=class_row(ScorePoint)) as cursor:
        return cursor.execute(query("select_scores"), span).fetchall()
