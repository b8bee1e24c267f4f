"""Judges the steps of one asset: scores to write, and what has changed in its anomalies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from core.anomaly import Anomaly, AnomalyKind, Evidence
from core.calendar import Calendar
from detectors import flat_line
from detectors.prophet_band import FittedProphetBand
from detectors.protocol import Window
from engine.asset_model import LOOKBACK_ROWS, AssetModel, Judged
from engine.budget import CLOSE_BELOW, share_of_budget
from engine.episodes import BEFORE, Change, Episode, find_episodes, reconcile
from engine.severity import severity
from engine.subject import DetectorKey, Subject, utc
from store.judgements import ScoreRow, StoredAnomaly
from store.registry import StoredAsset

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
        P-value below which an anomaly opens if one detector judges a series, from the alert budget.
    """

    step_s: int
    calendar: Calendar
    open_below: float


@dataclass(frozen=True, slots=True)
class AssetChange:
    """A change of one asset's anomaly; `series_id` is 0 for the asset as a whole."""

    asset: StoredAsset
    series_id: int
    change: Change


def judge_steps(
    subject: Subject, model: AssetModel, first: int, last: int, rules: Rules, now: datetime
) -> tuple[list[ScoreRow], list[AssetChange]]:
    """Judge steps `first` to `last`, which the grid holds, and compare the outcome with what is recorded.

    The subject's p-values are brought up to date; its recorded anomalies are left to the caller, who knows whether
    the changes were committed.

    Parameters
    ----------
    first
        At least `LOOKBACK_ROWS` after the grid's first step, so that no score depends on where the grid begins.
    now
        Processing time, for anomalies that are new.
    """
    start = first - subject.grid.first
    window = subject.window(rules.step_s, rules.calendar).rows(0, last - subject.grid.first + 1)
    judging = _Judging(subject, model, window, start, rules, now)
    rows: list[ScoreRow] = []
    changes: list[AssetChange] = []
    for judged in judging.scored(start, len(window)):
        key = (judged.series_id, judged.detector)
        past = subject.p_values.setdefault(key, np.full(len(subject.grid.sums), np.nan))
        past[start : len(window)] = judged.p_values
        rows += _score_rows(subject, judged, window.times[start:])
        known = [k for k in subject.known if _is_of(k, key)]
        found = judging.anomalies(key, known)
        changes += [AssetChange(subject.asset, key[0], c) for c in reconcile(known, found, judging.window_start)]
    return rows, changes + _given_up(subject, model, utc(window.times[-1]))


def _given_up(subject: Subject, model: AssetModel, at: datetime) -> list[AssetChange]:
    """End the anomalies that a newer model has no detector for: nothing would ever end them."""
    return [
        AssetChange(subject.asset, k.series_id or 0, Change(k.anomaly_id, replace(k.anomaly, ended_at=at)))
        for k in subject.known
        if k.anomaly.ended_at is None and not model.has(k.series_id or 0, k.anomaly.detector)
    ]


def _is_of(stored: StoredAnomaly, key: DetectorKey) -> bool:
    return ((stored.series_id or 0), stored.anomaly.detector) == key


def _score_rows(subject: Subject, judged: Judged, times: NDArray[np.datetime64]) -> list[ScoreRow]:
    return [
        ScoreRow(
            subject.asset.asset_id,
            judged.series_id,
            judged.detector,
            utc(times[row]),
            float(judged.scores[row]),
            float(judged.p_values[row]),
            subject.model_id,
        )
        for row in np.flatnonzero(~np.isnan(judged.scores)).tolist()
    ]


@dataclass(frozen=True, slots=True)
class _Judging:
    """One look at one asset: all steps that it holds, up to the last one to be judged; those from `start` on anew."""

    subject: Subject
    model: AssetModel
    window: Window
    start: int
    rules: Rules
    now: datetime

    @property
    def window_start(self) -> datetime:
        return utc(self.window.times[0])

    @property
    def open_below(self) -> float:
        return share_of_budget(self.rules.open_below, len(self.model.series_ids), self.model.judgements_per_row)

    def scored(self, start: int, stop: int) -> list[Judged]:
        """Return every detector's word on rows `start` to `stop`, the latter not included."""
        context = max(start - LOOKBACK_ROWS, 0)
        # The model names its own series: the asset may have got another one since it was fitted.
        columns = [self.subject.column_of()[series_id] for series_id in self.model.series_ids]
        metrics = tuple(self.window.metrics[column] for column in columns)
        part = self.window.rows(context, stop)
        mine = replace(part, values=part.values[:, columns], metrics=metrics)
        return [one.from_row(start - context) for one in self.model.judge(mine)]

    def anomalies(self, key: DetectorKey, known: Sequence[StoredAnomaly]) -> list[Anomaly]:
        """Return the anomalies that the p-values show; one that began before the window goes on from its record."""
        start = self.window_start
        before = [k.anomaly for k in known if k.anomaly.since < start and _reaches(k.anomaly, start)]
        going_on = max(before, key=lambda anomaly: anomaly.since, default=None)
        p_values = self.subject.p_values[key][: len(self.window)]
        episodes = find_episodes(p_values, self.open_below, CLOSE_BELOW, open_before=going_on is not None)
        return [
            self._anomaly(key, p_values, episode, going_on if episode.first == BEFORE else None, known)
            for episode in episodes
        ]

    def _anomaly(
        self,
        key: DetectorKey,
        p_values: NDArray[np.float64],
        episode: Episode,
        earlier: Anomaly | None,
        known: Sequence[StoredAnomaly],
    ) -> Anomaly:
        times = self.window.times
        since = earlier.since if earlier else utc(times[episode.first])
        last_at = earlier.last_at if earlier and episode.last == BEFORE else utc(times[episode.last])
        worst = earlier
        if episode.last != BEFORE:
            row = max(episode.first, 0)
            row += int(np.nanargmin(p_values[row : episode.last + 1]))
            if earlier is None or p_values[row] < earlier.p_value:
                worst = self._recorded(row, p_values[row], known) or self._moment(key, row, p_values[row])
        assert worst is not None  # noqa: S101 - an episode has an abnormal row, here or before
        return replace(
            worst,
            since=since,
            last_at=last_at,
            ended_at=None if episode.ended is None else utc(times[episode.ended]),
            severity=severity(self.subject.asset.kind, worst.p_value, self.open_below, last_at - since),
        )

    def _recorded(self, row: int, p_value: float, known: Sequence[StoredAnomaly]) -> Anomaly | None:
        """Return what is recorded of a worst row, if it is and nothing about the row has changed."""
        at = utc(self.window.times[row])
        same = (k.anomaly for k in known if k.anomaly.p_value == p_value and k.anomaly.since <= at <= k.anomaly.last_at)
        return next(same, None) if row < self.start else None

    def _moment(self, key: DetectorKey, row: int, p_value: float) -> Anomaly:
        """Return an anomaly of nothing but one row."""
        at = utc(self.window.times[row])
        judged = next(j for j in self.scored(row, row + 1) if (j.series_id, j.detector) == key)
        score = float(judged.scores[0])
        return Anomaly(
            asset_id=self.subject.asset.asset_id,
            detector=key[1],
            kind=AnomalyKind.SENSOR if key[1] in _SENSOR_DETECTORS else AnomalyKind.ASSET,
            since=at,
            last_at=at,
            ended_at=None,
            retracted=False,
            detected_at=self.now,
            p_value=float(p_value),
            severity=0.0,
            score=0.0 if np.isnan(score) else score,
            threshold=self.open_below,
            model_version=self.model.version,
            evidence=_evidence(self.subject, self.model, key, self.window, row),
        )


def _reaches(anomaly: Anomaly, time: datetime) -> bool:
    return anomaly.ended_at is None or anomaly.ended_at >= time


def _evidence(subject: Subject, model: AssetModel, key: DetectorKey, window: Window, row: int) -> tuple[Evidence, ...]:
    series_id, detector = key
    with_band = detector != flat_line.NAME
    if series_id != 0:
        index = subject.column_of()[series_id]
        return (_series_evidence(subject, model, window, row, index, 1.0, with_band=with_band),)
    weights = _weights(subject, model, window, row)
    drivers = sorted(weights, key=lambda index: -weights[index])[:_MOST_EVIDENCE]
    return tuple(
        _series_evidence(subject, model, window, row, index, weights[index], with_band=True) for index in drivers
    )


def _band_of(model: AssetModel, series_id: int) -> FittedProphetBand | None:
    known = model.series.get(series_id)
    return None if known is None else known.band


def _weights(subject: Subject, model: AssetModel, window: Window, row: int) -> dict[int, float]:
    """Return the share of each signal in the squared deviations of a row, by its column.

    Without a band nobody knows which signal drives it: all that the model knows have the same share.
    """
    squares: dict[int, float] = {}
    one_row = window.rows(row, row + 1)
    for index, series in enumerate(subject.series):
        if (band := _band_of(model, series.series_id)) is not None:
            deviation = band.deviations(one_row.column(index))[0]
            squares[index] = 0.0 if np.isnan(deviation) else float(deviation**2)
    if not squares:
        squares = {i: 1.0 for i, series in enumerate(subject.series) if series.series_id in model.series_ids}
    total = sum(squares.values()) or 1.0
    return {index: square / total for index, square in squares.items()}


def _series_evidence(
    subject: Subject, model: AssetModel, window: Window, row: int, index: int, share: float, *, with_band: bool
) -> Evidence:
    series = subject.series[index]
    observed = window.values[row, index]
    band: Sequence[float | None] = (None, None, None)
    fitted = _band_of(model, series.series_id) if with_band else None
    if fitted is not None:
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
