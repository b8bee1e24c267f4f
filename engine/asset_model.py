"""All detectors of one asset together: fitted as one, judged as one, versioned as one.

Everything here is a pure function of its input, so that a fit can run in another process and a judgement can be
repeated from its record.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from core.errors import PermanentError
from detectors import flat_line, group_pca, prophet_band
from detectors.calibration import TailCalibrator, fit_tail
from detectors.protocol import Window
from detectors.smoothing import causal_median

_BAND = prophet_band.ProphetBand()
_FLAT_LINE = flat_line.FlatLine()

LOOKBACK_ROWS = max(_BAND.lookback_rows, _FLAT_LINE.lookback_rows, group_pca.GroupPca(0).lookback_rows)
"""Rows before a row that its judgement may depend on."""

DETECTORS = (prophet_band.NAME, flat_line.NAME, group_pca.NAME)
"""Names of all detectors that an asset's model may hold."""


@dataclass(frozen=True, slots=True)
class FitTask:
    """What a fit needs to know.

    Attributes
    ----------
    asset_id
        Whose model.
    series_ids, metrics
        The k signals that a band makes sense for.
    history
        Shape (n, k) on the judging grid; NaN where there is no reading or an anomaly was.
    fitted_at
        Processing time of the order to fit.
    seed
        Of everything random.
    """

    asset_id: int
    series_ids: tuple[int, ...]
    history: Window
    fitted_at: datetime
    seed: int


@dataclass(frozen=True, slots=True)
class SeriesModel:
    """The detectors of one series, each with what turns its score into a p-value."""

    band: prophet_band.FittedProphetBand
    band_tail: TailCalibrator
    flat: flat_line.FittedFlatLine


@dataclass(frozen=True, slots=True)
class GroupModel:
    """The detector over all signals of the asset."""

    pca: group_pca.FittedGroupPca
    tail: TailCalibrator


@dataclass(frozen=True, slots=True)
class Judged:
    """One detector's word on one series, or on the asset as a whole; all arrays have shape (n,).

    Attributes
    ----------
    series_id
        0 for the asset as a whole.
    detector
        Name of the detector.
    scores, p_values
        NaN = not judged.
    """

    series_id: int
    detector: str
    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AssetModel:
    """All fitted detectors of one asset.

    Attributes
    ----------
    version
        Names the model among those of its asset.
    trained_from, trained_until
        Event times of the first and last row of history.
    series
        The model of each series that had history enough, by its number.
    group
        None where there are fewer than two such series.
    parameters
        What is needed, beside the history, to fit it again.
    unfitted
        Why each other series has no model, by its number.
    """

    asset_id: int
    version: str
    series_ids: tuple[int, ...]
    trained_from: datetime
    trained_until: datetime
    fitted_at: datetime
    series: Mapping[int, SeriesModel]
    group: GroupModel | None
    parameters: Mapping[str, Any]
    unfitted: Mapping[int, str] = field(default_factory=dict)

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors inside."""
        names = [prophet_band.NAME, flat_line.NAME] if self.series else []
        return (*names, group_pca.NAME) if self.group else tuple(names)

    def has(self, series_id: int, detector: str) -> bool:
        """Return whether a detector judges a series (0: the asset as a whole)."""
        if series_id == 0:
            return self.group is not None and detector == group_pca.NAME
        return series_id in self.series and detector in self.detectors

    def judge(self, recent: Window) -> list[Judged]:
        """Judge all rows; `recent` has the same columns as the history, context rows included."""
        found = []
        for index, series_id in enumerate(self.series_ids):
            if (model := self.series.get(series_id)) is not None:
                found.extend(_judge_series(series_id, model, recent.column(index)))
        if self.group is not None:
            scores = self.group.pca.score(self._deviations(recent))
            found.append(Judged(0, group_pca.NAME, scores, self.group.tail.p_values(scores)))
        return found

    def _deviations(self, recent: Window) -> Window:
        return _deviations(self.series_ids, self.series, recent)


def _judge_series(series_id: int, model: SeriesModel, recent: Window) -> list[Judged]:
    band_scores = model.band.score(recent)
    flat_scores = model.flat.score(recent)
    return [
        Judged(series_id, prophet_band.NAME, band_scores, model.band_tail.p_values(band_scores)),
        Judged(series_id, flat_line.NAME, flat_scores, model.flat.p_values(flat_scores)),
    ]


def _deviations(series_ids: tuple[int, ...], models: Mapping[int, SeriesModel], window: Window) -> Window:
    columns = [
        models[series_id].band.deviations(window.column(index))
        for index, series_id in enumerate(series_ids)
        if series_id in models
    ]
    metrics = tuple(m for s, m in zip(series_ids, window.metrics, strict=True) if s in models)
    return Window(window.times, np.column_stack(columns), metrics, window.step_s, window.calendar)


def fit_asset(task: FitTask) -> AssetModel:
    """Fit all detectors of one asset.

    A series with too little history gets no model and a reason instead; it is not judged until it has enough.
    Takes about 0.1 s per series.
    """
    models: dict[int, SeriesModel] = {}
    unseen: dict[int, NDArray[np.float64]] = {}
    unfitted: dict[int, str] = {}
    for index, series_id in enumerate(task.series_ids):
        try:
            models[series_id], unseen[series_id] = _fit_series(task.history.column(index))
        except PermanentError as exc:
            unfitted[series_id] = str(exc)
    parameters = _parameters(task)
    return AssetModel(
        asset_id=task.asset_id,
        version=_version(task, parameters),
        series_ids=task.series_ids,
        trained_from=_utc(task.history.times[0]),
        trained_until=_utc(task.history.times[-1]),
        fitted_at=task.fitted_at,
        series=models,
        group=_fit_group(task, unseen),
        parameters=parameters,
        unfitted=unfitted,
    )


def _utc(time: np.datetime64) -> datetime:
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def _fit_series(history: Window) -> tuple[SeriesModel, NDArray[np.float64]]:
    """Return the model of one series, and its deviations on days that a fit has not seen; shape (n,)."""
    band = _BAND.fit(history)
    unseen = _BAND.unseen_deviations(history)
    tail = fit_tail(np.abs(causal_median(unseen[:, None])[:, 0]))
    return SeriesModel(band, tail, _FLAT_LINE.fit(history)), unseen


def _fit_group(task: FitTask, unseen: Mapping[int, NDArray[np.float64]]) -> GroupModel | None:
    if len(unseen) < 2:  # noqa: PLR2004 - one signal is no group
        return None
    history = task.history
    metrics = tuple(m for s, m in zip(task.series_ids, history.metrics, strict=True) if s in unseen)
    deviations = Window(
        history.times, np.column_stack(list(unseen.values())), metrics, history.step_s, history.calendar
    )
    try:
        pca = group_pca.GroupPca(task.seed).fit(deviations)
        return GroupModel(pca, fit_tail(pca.score(deviations)))
    except PermanentError:
        return None


def _version(task: FitTask, parameters: Mapping[str, Any]) -> str:
    """Return when the history ended, and a digest of all that the fit depends on: one version, one model."""
    digest = hashlib.sha256(orjson.dumps(parameters, option=orjson.OPT_SORT_KEYS))
    digest.update(task.history.times.tobytes())
    digest.update(task.history.values.tobytes())
    return f"{task.history.times[-1].item():%Y%m%dT%H%MZ}-{digest.hexdigest()[:8]}"


def _parameters(task: FitTask) -> dict[str, Any]:
    return {
        "seed": task.seed,
        "step_s": task.history.step_s,
        "time_zone": task.history.calendar.time_zone,
        "country": task.history.calendar.country,
        "metrics": list(task.history.metrics),
        "libraries": {name: version(name) for name in ("cityvigil", "numpy", "prophet", "pyod", "scikit-learn")},
    }
