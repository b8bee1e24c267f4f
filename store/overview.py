"""What people look at: counts, thinned lines for charts, and how sure an incident is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from core.anomaly import Expectation
from store.database import Connection, translated_errors
from store.queries import query
from store.series_data import ScorePoint


@dataclass(frozen=True, slots=True)
class RegistryCounts:
    """How much there is to watch."""

    assets: int
    series: int


@dataclass(frozen=True, slots=True)
class Certainty:
    """How rare an incident's anomalies are, and how good the data behind them is.

    Attributes
    ----------
    p_value
        Smallest of its anomalies that were not taken back, 0 to 1.
    threshold
        P-value below which they opened.
    readings, doubtful
        Readings of the driving series in the hour up to the last abnormal moment, and how many of them are flagged
        suspect, bad or missing.
    expected
        Readings that this hour should have brought; None where no interval is known.
    """

    incident_id: int
    p_value: float
    threshold: float
    readings: int
    doubtful: int
    expected: int | None


def registry_counts(connection: Connection) -> RegistryCounts:
    """Count assets and series."""
    with translated_errors(), connection.cursor(row_factory=class_row(RegistryCounts)) as cursor:
        return cursor.execute(query("select_registry_counts")).fetchone() or RegistryCounts(0, 0)


def certainty_of(connection: Connection, incident_ids: Sequence[int]) -> dict[int, Certainty]:
    """Return how sure some incidents are; one whose anomalies were all taken back is left out."""
    if not incident_ids:
        return {}
    parameters = {"incident_ids": list(incident_ids)}
    with translated_errors(), connection.cursor(row_factory=class_row(Certainty)) as cursor:
        return {row.incident_id: row for row in cursor.execute(query("select_incident_certainty"), parameters)}


def thinned_band(
    connection: Connection, series_id: int, since: datetime, until: datetime, most: int
) -> list[Expectation]:
    """Return a series' band as it is drawn, oldest first: at most `most` points, widest where several fall together.

    Parameters
    ----------
    since, until
        Event times, inclusive.
    most
        Greater than 2.
    """
    with translated_errors(), connection.cursor(row_factory=class_row(Expectation)) as cursor:
        return cursor.execute(query("select_thinned_expectations"), _stepped(series_id, since, until, most)).fetchall()


def thinned_scores(
    connection: Connection, series_id: int, since: datetime, until: datetime, most: int
) -> list[ScorePoint]:
    """Return a series' scores as they are drawn, by detector and time: at most `most` points of each detector.

    Parameters are those of `thinned_band`.
    """
    with translated_errors(), connection.cursor(row_factory=class_row(ScorePoint)) as cursor:
        return cursor.execute(query("select_thinned_scores"), _stepped(series_id, since, until, most)).fetchall()


def _stepped(series_id: int, since: datetime, until: datetime, most: int) -> dict[str, object]:
    # A span touches one step more than it is long, and one more where it begins within a step.
    step_s = max(1, math.ceil((until - since).total_seconds() / (most - 2)))
    return {"series_id": series_id, "since": since, "until": until, "step_s": step_s}
