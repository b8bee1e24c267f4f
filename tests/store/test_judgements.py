from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from core.anomaly import Anomaly, AnomalyKind, Evidence
from core.errors import StoreError
from store.database import Connection
from store.judgements import (
    BandColumns,
    ModelRecord,
    ScoreRow,
    add_anomaly,
    anomalies_of_asset,
    latest_models,
    latest_score_times,
    p_values,
    record_model,
    revise_anomaly,
    unended_anomalies,
    write_band,
    write_scores,
)
from store.series_data import expectations, scores
from tests.store.making import START, register, series_id_of

HOUR = timedelta(hours=1)


def anomaly_of(asset_id: int, **other: Any) -> Anomaly:
    made = Anomaly(
        asset_id=asset_id,
        detector="prophet_band",
        kind=AnomalyKind.ASSET,
        since=START,
        last_at=START + HOUR,
        ended_at=None,
        retracted=False,
        detected_at=START + HOUR,
        p_value=1.25e-200,
        severity=50.0,
        score=3.0000000000000004,
        threshold=5e-6,
        model_version="one",
        evidence=(
            Evidence(1, "flow", "m3/h", 5.1, 3.0, 2.0, 4.0, 0.75),
            Evidence(2, "level", "m", None, None, None, None, 0.25),
        ),
    )
    return replace(made, **other)


def model_of(asset_id: int, version: str, until: datetime) -> ModelRecord:
    return ModelRecord(asset_id, version, ("prophet_band",), START, until, until, {"seed": 1})


def test_an_anomaly_comes_back_as_it_was_written(connection: Connection) -> None:
    (asset_id,) = register(connection, "north")
    series_id = series_id_of(connection, asset_id)
    number = add_anomaly(connection, series_id, anomaly_of(asset_id))
    (found,) = anomalies_of_asset(connection, asset_id, START)
    assert (found.anomaly_id, found.series_id, found.anomaly) == (number, series_id, anomaly_of(asset_id))
    revised = anomaly_of(asset_id, ended_at=START + 2 * HOUR, retracted=True, evidence=(), severity=1.5)
    revise_anomaly(connection, number, revised)
    (found,) = anomalies_of_asset(connection, asset_id, START)
    assert found.anomaly == revised


def test_a_revision_leaves_subject_detector_and_moment_of_detection(connection: Connection) -> None:
    one, two = register(connection, "north", "south")
    number = add_anomaly(connection, None, anomaly_of(one))
    revise_anomaly(connection, number, anomaly_of(two, detector="other", detected_at=START + 9 * HOUR))
    (found,) = anomalies_of_asset(connection, one, START)
    assert found.anomaly == anomaly_of(one)


def test_unended_means_lasting_or_ended_since_and_not_taken_back(connection: Connection) -> None:
    (asset_id,) = register(connection, "north")
    numbers = [
        add_anomaly(connection, None, anomaly_of(asset_id, ended_at=ended, retracted=retracted))
        for ended, retracted in [(None, False), (START + 2 * HOUR, False), (START + HOUR, False), (None, True)]
    ]
    found = [k.anomaly_id for k in unended_anomalies(connection, START + 2 * HOUR)]
    assert found == numbers[:2]
    assert [k.anomaly_id for k in anomalies_of_asset(connection, asset_id, START + 2 * HOUR)] == [
        *numbers[:2],
        numbers[3],
    ]


def test_a_second_score_replaces_the_first(connection: Connection) -> None:
    (asset_id,) = register(connection, "north")
    first = ScoreRow(asset_id, 0, "group_pca", START, 1.0, 0.5, 1)
    write_scores(connection, [first, replace(first, detector="other")])
    write_scores(connection, [replace(first, score=2.0, p_value=1e-300, model_id=2)])
    write_scores(connection, [])
    found = scores(connection, asset_id, 0, START, START)
    assert [(s.detector, s.score, s.p_value) for s in found] == [("group_pca", 2.0, 1e-300), ("other", 1.0, 0.5)]
    assert sorted(p_values(connection, asset_id, START, START)) == [
        (0, "group_pca", START, 1e-300),
        (0, "other", START, 0.5),
    ]


def test_more_scores_than_fit_one_statement_are_written(connection: Connection) -> None:
    (asset_id,) = register(connection, "north")
    rows = [ScoreRow(asset_id, 0, "d", START + n * timedelta(seconds=1), 1.0, 0.5, 1) for n in range(10_001)]
    write_scores(connection, rows)
    assert len(p_values(connection, asset_id, START, rows[-1].time)) == 10_001


def test_a_p_value_is_a_probability(connection: Connection) -> None:
    with pytest.raises(StoreError, match="score_p_value_check"):
        write_scores(connection, [ScoreRow(1, 0, "d", START, 1.0, 1.5, 1)])


def test_the_latest_score_of_each_asset_is_found(connection: Connection) -> None:
    one, two, silent = register(connection, "north", "south", "west")
    rows = [
        ScoreRow(one, series_id_of(connection, one), "a", START + 2 * HOUR, 1.0, 0.5, 1),
        ScoreRow(one, 0, "b", START + 3 * HOUR, 1.0, 0.5, 1),
        ScoreRow(two, series_id_of(connection, two), "a", START + HOUR, 1.0, 0.5, 1),
        ScoreRow(two, 0, "unknown", START + 9 * HOUR, 1.0, 0.5, 1),
    ]
    write_scores(connection, rows)
    assert latest_score_times(connection, ["a", "b"]) == {one: START + 3 * HOUR, two: START + HOUR}
    assert silent not in latest_score_times(connection, ["a", "b"])


def test_the_same_version_is_one_model(connection: Connection) -> None:
    one, two = register(connection, "north", "south")
    number = record_model(connection, model_of(one, "v1", START + HOUR))
    assert record_model(connection, model_of(one, "v1", START + HOUR)) == number
    assert record_model(connection, model_of(two, "v1", START + HOUR)) != number


def test_the_latest_model_is_the_one_trained_longest(connection: Connection) -> None:
    (asset_id,) = register(connection, "north")
    newest = record_model(connection, model_of(asset_id, "v2", START + 2 * HOUR))
    record_model(connection, model_of(asset_id, "v1", START + HOUR))
    found = latest_models(connection)[asset_id]
    assert (found.model_id, found.version, found.trained_until) == (newest, "v2", START + 2 * HOUR)


def test_a_newer_band_replaces_the_older_at_the_same_times(connection: Connection) -> None:
    def band(first: int, centre: float) -> BandColumns:
        times = np.datetime64("2026-03-01T00:00:00.000001", "us") + np.arange(first, first + 2) * np.timedelta64(1, "h")
        values = np.full(2, centre)
        return BandColumns(np.array([1, 1], dtype=np.int32), times, values, values - 1, values + 1)

    write_band(connection, 1, band(0, 10.0))
    write_band(connection, 2, band(1, 20.0))
    found = expectations(connection, 1, START, START + 9 * HOUR)
    at = datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert [(e.time, e.lower, e.centre, e.upper) for e in found] == [
        (at, 9.0, 10.0, 11.0),
        (at + HOUR, 19.0, 20.0, 21.0),
        (at + 2 * HOUR, 19.0, 20.0, 21.0),
    ]
