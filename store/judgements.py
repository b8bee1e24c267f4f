"""What the engine writes: models, expectations, scores and anomalies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray
from psycopg.rows import dict_row

from core.anomaly import Anomaly, AnomalyKind, Evidence
from store.database import Connection, translated_errors
from store.queries import query


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What is needed to fit the same model again.

    Attributes
    ----------
    version
        Names the model among those of its asset.
    detectors
        Names of what is inside.
    trained_from, trained_until
        Event times of the history.
    fitted_at
        Processing time.
    parameters
        Every setting that the fit depends on, the seed and the libraries' versions included.
    """

    asset_id: int
    version: str
    detectors: tuple[str, ...]
    trained_from: datetime
    trained_until: datetime
    fitted_at: datetime
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedModel:
    """What is recorded of an asset's latest model.

    Attributes
    ----------
    trained_until
        Event time of the last row of its history, in UTC.
    """

    model_id: int
    version: str
    trained_until: datetime


@dataclass(frozen=True, slots=True)
class BandColumns:
    """A model's expectations; all arrays have shape (n,): int32, datetime64[us], three times float64."""

    series_id: NDArray[np.int32]
    time: NDArray[np.datetime64]
    centre: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One score; `series_id` is 0 for the asset as a whole."""

    asset_id: int
    series_id: int
    detector: str
    time: datetime
    score: float
    p_value: float
    model_id: int


@dataclass(frozen=True, slots=True)
class StoredAnomaly:
    """An anomaly with its number; `series_id` is None for one of the asset as a whole."""

    anomaly_id: int
    series_id: int | None
    anomaly: Anomaly


_CHUNK_ROWS = 10_000
"""Rows in one statement, so that no statement grows past what a server takes."""


def record_model(connection: Connection, record: ModelRecord) -> int:
    """Record a fitted model and return its number."""
    parameters = {
        **asdict(record),
        "detectors": list(record.detectors),
        "parameters": orjson.dumps(dict(record.parameters)).decode(),
    }
    with translated_errors():
        row = connection.execute(query("insert_model"), parameters).fetchone()
    return int(row[0]) if row else 0


def latest_models(connection: Connection) -> dict[int, RecordedModel]:
    """Return the latest model of each asset that has one, by the asset's number."""
    with translated_errors():
        rows = connection.execute(query("select_models")).fetchall()
    return {asset_id: RecordedModel(model_id, version, until) for asset_id, model_id, version, until in rows}


def latest_score_times(connection: Connection, detectors: Sequence[str]) -> dict[int, datetime]:
    """Return the event time of the latest score of each asset that has one of these detectors', by its number."""
    with translated_errors():
        return dict(connection.execute(query("select_latest_score_times"), {"detectors": list(detectors)}))


def write_band(connection: Connection, model_id: int, band: BandColumns) -> None:
    """Write a model's expectations; they replace those of older models at the same times."""
    with translated_errors():
        for start in range(0, len(band.series_id), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            parameters = {
                "model_id": model_id,
                "series_ids": band.series_id[part].tolist(),
                "times": _aware(band.time[part]),
                "centres": band.centre[part].tolist(),
                "lowers": band.lower[part].tolist(),
                "uppers": band.upper[part].tolist(),
            }
            connection.execute(query("upsert_expectations"), parameters)


def _aware(times: NDArray[np.datetime64]) -> list[str]:
    # Text with an explicit zone: a naive datetime would be read in the session's.
    return [f"{text}+00" for text in np.datetime_as_string(times, unit="us")]


def write_scores(connection: Connection, rows: Sequence[ScoreRow]) -> None:
    """Write scores; a second score of the same detector, series and time replaces the first."""
    with translated_errors():
        for start in range(0, len(rows), _CHUNK_ROWS):
            part = rows[start : start + _CHUNK_ROWS]
            parameters = {
                "asset_ids": [r.asset_id for r in part],
                "series_ids": [r.series_id for r in part],
                "detectors": [r.detector for r in part],
                "times": [r.time for r in part],
                "scores": [r.score for r in part],
                "p_values": [r.p_value for r in part],
                "model_ids": [r.model_id for r in part],
            }
            connection.execute(query("upsert_scores"), parameters)


def p_values(
    connection: Connection, asset_id: int, since: datetime, until: datetime
) -> list[tuple[int, str, datetime, float]]:
    """Return series, detector, event time and p-value of all scores of an asset in a span, in no order."""
    span = {"asset_id": asset_id, "since": since, "until": until}
    with translated_errors():
        return connection.execute(query("select_p_values"), span).fetchall()


def add_anomaly(connection: Connection, series_id: int | None, anomaly: Anomaly) -> int:
    """Record an anomaly and return its number."""
    with translated_errors():
        row = connection.execute(query("insert_anomaly"), {"series_id": series_id, **_columns(anomaly)}).fetchone()
    return int(row[0]) if row else 0


def revise_anomaly(connection: Connection, anomaly_id: int, anomaly: Anomaly) -> None:
    """Replace what is recorded of an anomaly."""
    with translated_errors():
        connection.execute(query("update_anomaly"), {"anomaly_id": anomaly_id, **_columns(anomaly)})


def _columns(anomaly: Anomaly) -> dict[str, Any]:
    return {**asdict(anomaly), "kind": anomaly.kind.value, "evidence": orjson.dumps(anomaly.evidence).decode()}


def unended_anomalies(connection: Connection, ended_after: datetime) -> list[StoredAnomaly]:
    """Return the anomalies that last, or ended at or after an event time: what late data may change."""
    return _anomalies(connection, "select_unended_anomalies", {"ended_after": ended_after})


def anomalies_of_asset(connection: Connection, asset_id: int, ended_after: datetime) -> list[StoredAnomaly]:
    """Return an asset's anomalies, retracted ones included, that last or ended at or after an event time."""
    return _anomalies(connection, "select_anomalies_of_asset", {"asset_id": asset_id, "ended_after": ended_after})


def anomalies_of_incident(connection: Connection, incident_id: int) -> list[StoredAnomaly]:
    """Return the anomalies that an incident is made of, weightiest first."""
    return _anomalies(connection, "select_anomalies_of_incident", {"incident_id": incident_id})


def _anomalies(connection: Connection, name: str, parameters: dict[str, object]) -> list[StoredAnomaly]:
    with translated_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return [_stored(row) for row in cursor.execute(query(name), parameters)]


def _stored(row: dict[str, Any]) -> StoredAnomaly:
    anomaly_id, series_id = row.pop("anomaly_id"), row.pop("series_id")
    evidence = msgspec.convert(row.pop("evidence"), tuple[Evidence, ...])
    return StoredAnomaly(anomaly_id, series_id, Anomaly(**{**row, "kind": AnomalyKind(row["kind"])}, evidence=evidence))
