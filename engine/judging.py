"""Judges the steps of one asset: scores to write, and what has changed in its anomalies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from core.anomaly import Anomaly, AnomalyKind, Evidence
from core.calendar import Calendar
from detectors import flat_line, group_pca
from detectors.protocol import Window
from engine.asset_model import AssetModel
from engine.budget import CLOSE_BELOW
from engine.episodes import Change, Episode, find_episodes, reconcile
from engine.severity import severity
from engine.subject import DetectorKey, Subject, time_of, utc
from store.judgements import ScoreRow, StoredAnomaly

_SENSOR_DETECTORS = frozenset({flat_line.NAME})
_MOST_EVIDENCE = 8


@dataclass(frozen=True, slots=True)
class Rules:
    """What is the same for every asset.

    Attributes
    ----------
    step_s
        Seconds of a step.
    calendar
        The city's.
    open_below
        P-value below which an anomaly opens, from the alert budget.
    """

    step_s: int
    calendar: Calendar
    open_below: float


@dataclass(frozen=True, slots=True)
class SubjectChange:
    """A change of one asset's anomaly; `series_id` is 0 for the asset as a whole."""

    subject: Subject
    series_id: int
    change: Change


def judge_steps(
    subject: Subject, model: AssetModel, first: int, last: int, rules: Rules, now: datetime
) -> tuple[list[ScoreRow], list[SubjectChange]]:
    """Judge steps `first` to `last`, which the grid holds, and compare the outcome with what is recorded.

    The subject's p-values are brought up to date; its recorded anomalies are left to the caller, who knows whether
    the changes were committed.

    Parameters
    ----------
    now
        Processing time, for anomalies that are new.
    """
    grid = subject.grid
    window = _until(subject.window(rules.step_s, rules.calendar), last - grid.first + 1)
    start = max(first - grid.first, 0)
    rows: list[ScoreRow] = []
    changes: list[SubjectChange] = []
    scores: dict[DetectorKey, NDArray[np.float64]] = {}
    for judged in model.judge(window):
        key = (judged.series_id, judged.detector)
        past = subject.p_values.setdefault(key, np.full(len(grid.sums), np.nan))
        past[start : len(window)] = judged.p_values[start:]
        scores[key] = judged.scores
        rows += _score_rows(subject, key, window, start, judged.scores, judged.p_values)
    for key, key_scores in scores.items():
        found = _find_anomalies(subject, model, key, window, key_scores, rules, now)
        recorded = [k for k in subject.known if _is_of(k, key)]
        window_start = time_of(grid.first, rules.step_s)
        changes += [SubjectChange(subject, key[0], change) for change in reconcile(recorded, found, window_start)]
    return rows, changes


def _until(window: Window, rows: int) -> Window:
    return replace(window, times=window.times[:rows], values=window.values[:rows])


def _is_of(stored: StoredAnomaly, key: DetectorKey) -> bool:
    return ((stored.series_id or 0), stored.anomaly.detector) == key


def _score_rows(
    subject: Subject,
    key: DetectorKey,
    window: Window,
    start: int,
    scores: NDArray[np.float64],
    p_values: NDArray[np.float64],
) -> list[ScoreRow]:
    series_id, detector = key
    return [
        ScoreRow(
            subject.asset.asset_id,
            series_id,
            detector,
            utc(window.times[row]),
            float(scores[row]),
            float(p_values[row]),
            subject.model_id,
        )
        for row in range(start, len(window))
        if not np.isnan(scores[row])
    ]


def _find_anomalies(
    subject: Subject,
    model: AssetModel,
    key: DetectorKey,
    window: Window,
    scores: NDArray[np.float64],
    rules: Rules,
    now: datetime,
) -> list[Anomaly]:
    p_values = subject.p_values[key][: len(window)]
    window_start = time_of(subject.grid.first, rules.step_s)
    open_before = any(
        _is_of(k, key) and k.anomaly.since < window_start and _reaches(k.anomaly, window_start) for k in subject.known
    )
    episodes = find_episodes(p_values, rules.open_below, CLOSE_BELOW, open_before=open_before)
    return [_anomaly(subject, model, key, window, scores, episode, rules, now) for episode in episodes]


def _reaches(anomaly: Anomaly, time: datetime) -> bool:
    return anomaly.ended_at is None or anomaly.ended_at >= time


def _anomaly(
    subject: Subject,
    model: AssetModel,
    key: DetectorKey,
    window: Window,
    scores: NDArray[np.float64],
    episode: Episode,
    rules: Rules,
    now: datetime,
) -> Anomaly:
    detector = key[1]
    p_values = subject.p_values[key]
    span = slice(episode.first, episode.last + 1)
    judged = ~np.isnan(p_values[span])
    worst = episode.first + int(np.argmin(np.where(judged, p_values[span], np.inf)))
    since, last_at = utc(window.times[episode.first]), utc(window.times[episode.last])
    p_value = float(p_values[worst]) if judged.any() else 1.0
    score = scores[worst]
    return Anomaly(
        asset_id=subject.asset.asset_id,
        detector=detector,
        kind=AnomalyKind.SENSOR if detector in _SENSOR_DETECTORS else AnomalyKind.ASSET,
        since=since,
        last_at=last_at,
        ended_at=None if episode.ended is None else utc(window.times[episode.ended]),
        retracted=False,
        detected_at=now,
        p_value=p_value,
        severity=severity(subject.asset.kind, p_value, rules.open_below, last_at - since),
        score=float(score) if not np.isnan(score) else 0.0,
        threshold=rules.open_below,
        model_version=model.version,
        evidence=_evidence(subject, model, key, window, worst),
    )


def _evidence(subject: Subject, model: AssetModel, key: DetectorKey, window: Window, row: int) -> tuple[Evidence, ...]:
    series_id, detector = key
    with_band = detector != flat_line.NAME
    if detector != group_pca.NAME:
        index = subject.column_of()[series_id]
        return (_series_evidence(subject, model, window, row, index, 1.0, with_band=with_band),)
    weights = _weights(subject, model, window, row)
    drivers = sorted(weights, key=lambda index: -weights[index])[:_MOST_EVIDENCE]
    return tuple(
        _series_evidence(subject, model, window, row, index, weights[index], with_band=True) for index in drivers
    )


def _weights(subject: Subject, model: AssetModel, window: Window, row: int) -> dict[int, float]:
    """Return the share of each signal in the squared deviations of a row, by its column."""
    squares: dict[int, float] = {}
    one_row = replace(window, times=window.times[row : row + 1], values=window.values[row : row + 1])
    for index, series in enumerate(subject.series):
        if (series_model := model.series.get(series.series_id)) is not None:
            deviation = series_model.band.deviations(one_row.column(index))[0]
            squares[index] = 0.0 if np.isnan(deviation) else float(deviation**2)
    total = sum(squares.values()) or 1.0
    return {index: square / total for index, square in squares.items()}


def _series_evidence(
    subject: Subject, model: AssetModel, window: Window, row: int, index: int, share: float, *, with_band: bool
) -> Evidence:
    series = subject.series[index]
    observed = window.values[row, index]
    band: Sequence[float | None] = (None, None, None)
    if with_band:
        fitted = model.series[series.series_id].band
        band = [float(part[0]) for part in fitted.expect(window.times[row : row + 1])]
    centre, lower, upper = band
    return Evidence(
        series_id=series.series_id,
        metric=series.metric,
        unit=series.unit,
        observed=None if np.isnan(observed) else float(observed),
        expected=centre,
        lower=lower,
        upper=upper,
        share=round(share, 4),
    )
