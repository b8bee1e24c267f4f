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
from detectors import prophet_band
from detectors.calibration import fit_tail
from detectors.protocol import Detector, FittedDetector, Scope, SelfCalibrated, Window
from detectors.registry import DETECTORS

LOOKBACK_ROWS = max(make(0).lookback_rows for make in DETECTORS.values())
"""Rows before a row that its judgement may depend on."""

_BAND = prophet_band.ProphetBand()


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
    detectors
        Names of the detectors to fit, all of them registered.
    """

    asset_id: int
    series_ids: tuple[int, ...]
    history: Window
    fitted_at: datetime
    seed: int
    detectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A fitted detector, and what turns its scores into p-values."""

    fitted: FittedDetector
    calibration: SelfCalibrated

    def judge(self, series_id: int, detector: str, recent: Window) -> "Judged":
        """Return its word on all rows."""
        scores = self.fitted.score(recent)
        return Judged(series_id, detector, scores, self.calibration.p_values(scores))


@dataclass(frozen=True, slots=True)
class SeriesModel:
    """What is known of one series.

    Attributes
    ----------
    band
        What is expected of it; None where no detector wants to know or there was too little history.
    detectors
        Who judges it, by name.
    """

    band: prophet_band.FittedProphetBand | None
    detectors: Mapping[str, Calibrated]


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

    def from_row(self, first: int) -> "Judged":
        """Return its word on the rows from `first` on: those before it were context."""
        return Judged(self.series_id, self.detector, self.scores[first:], self.p_values[first:])


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
        The model of each series that any detector could be fitted to, by its number.
    whole
        Who judges the asset as a whole, by name.
    parameters
        What is needed, beside the history, to fit it again.
    unfitted
        Why a detector could not be fitted, by `<series_id>:<detector>` (series 0: the asset as a whole).
    """

    asset_id: int
    version: str
    series_ids: tuple[int, ...]
    trained_from: datetime
    trained_until: datetime
    fitted_at: datetime
    series: Mapping[int, SeriesModel]
    whole: Mapping[str, Calibrated]
    parameters: Mapping[str, Any]
    unfitted: Mapping[str, str] = field(default_factory=dict)

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors inside."""
        inside = {name for model in self.series.values() for name in model.detectors} | set(self.whole)
        return tuple(name for name in self.parameters["detectors"] if name in inside)

    @property
    def judgements_per_row(self) -> int:
        """How many p-values it gives each row at most: one for each detector on each series, or on the whole."""
        return sum(len(model.detectors) for model in self.series.values()) + len(self.whole)

    def has(self, series_id: int, detector: str) -> bool:
        """Return whether a detector judges a series (0: the asset as a whole)."""
        if series_id == 0:
            return detector in self.whole
        return series_id in self.series and detector in self.series[series_id].detectors

    def judge(self, recent: Window) -> list[Judged]:
        """Judge all rows; `recent` has the same columns as the history, context rows included."""
        found = []
        for index, series_id in enumerate(self.series_ids):
            if (model := self.series.get(series_id)) is not None:
                column = recent.column(index)
                found += [one.judge(series_id, name, column) for name, one in model.detectors.items()]
        for name, one in self.whole.items():
            seen = self._deviations(recent) if DETECTORS[name](0).scope is Scope.DEVIATIONS else recent
            found.append(one.judge(0, name, seen))
        return found

    def _deviations(self, recent: Window) -> Window:
        bands = {index: self.series[s].band for index, s in enumerate(self.series_ids) if s in self.series}
        columns = {index: band.deviations(recent.column(index)) for index, band in bands.items() if band is not None}
        return _side_by_side(recent, columns)


def _side_by_side(window: Window, columns: Mapping[int, NDArray[np.float64]]) -> Window:
    """Return a window of some of its columns, by index, with other values."""
    metrics = tuple(window.metrics[index] for index in columns)
    values = np.column_stack(list(columns.values())) if columns else np.zeros((len(window), 0))
    return Window(window.times, values, metrics, window.step_s, window.calendar)


def fit_asset(task: FitTask) -> AssetModel:
    """Fit all detectors of one asset.

    A detector with too little history is left out, with a reason; it does not judge until it has enough. Takes about
    0.1 s per series, nearly all of it Prophet's.
    """
    parameters = _parameters(task)
    makers = [DETECTORS[name](task.seed) for name in task.detectors]
    by_series = [one for one in makers if one.scope is Scope.SERIES]
    unfitted: dict[str, str] = {}
    series: dict[int, SeriesModel] = {}
    unseen: dict[int, NDArray[np.float64]] = {}
    for index, series_id in enumerate(task.series_ids):
        column = task.history.column(index)
        band = _fit_band(column) if _wants_band(makers) else None
        if band is not None:
            unseen[index] = _BAND.unseen_deviations(column)
        fitted = _fit_all(by_series, column, series_id, unfitted, band)
        if fitted or band is not None:
            series[series_id] = SeriesModel(band, fitted)
    return AssetModel(
        asset_id=task.asset_id,
        version=_version(task, parameters),
        series_ids=task.series_ids,
        trained_from=_utc(task.history.times[0]),
        trained_until=_utc(task.history.times[-1]),
        fitted_at=task.fitted_at,
        series=series,
        whole=_fit_whole(makers, task.history, unseen, unfitted),
        parameters=parameters,
        unfitted=unfitted,
    )


def _utc(time: np.datetime64) -> datetime:
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def _wants_band(detectors: list[Detector]) -> bool:
    return any(one.name == prophet_band.NAME or one.scope is Scope.DEVIATIONS for one in detectors)


def _fit_band(history: Window) -> prophet_band.FittedProphetBand | None:
    try:
        return _BAND.fit(history)
    except PermanentError:
        return None


def _fit_all(
    detectors: list[Detector],
    history: Window,
    series_id: int,
    unfitted: dict[str, str],
    band: prophet_band.FittedProphetBand | None,
) -> dict[str, Calibrated]:
    """Fit some detectors to one window, and note in `unfitted` why one could not be."""
    found: dict[str, Calibrated] = {}
    for one in detectors:
        try:
            # Prophet's fit is the dear one: it is made once, for whoever asks.
            fitted = band if band is not None and one.name == prophet_band.NAME else one.fit(history)
            found[one.name] = Calibrated(fitted, _calibration(one, fitted, history))
        except PermanentError as exc:
            unfitted[f"{series_id}:{one.name}"] = str(exc)
    return found


def _calibration(detector: Detector, fitted: FittedDetector, history: Window) -> SelfCalibrated:
    return fitted if isinstance(fitted, SelfCalibrated) else fit_tail(detector.unseen_scores(history))


def _fit_whole(
    detectors: list[Detector],
    history: Window,
    unseen: Mapping[int, NDArray[np.float64]],
    unfitted: dict[str, str],
) -> dict[str, Calibrated]:
    """Fit the detectors that look at all signals together."""
    found = _fit_all([one for one in detectors if one.scope is Scope.ASSET], history, 0, unfitted, None)
    by_deviations = [one for one in detectors if one.scope is Scope.DEVIATIONS]
    if len(unseen) < 2:  # noqa: PLR2004 - one signal is no group
        unfitted.update({f"0:{one.name}": "fewer than two signals have a band" for one in by_deviations})
        return found
    return found | _fit_all(by_deviations, _side_by_side(history, unseen), 0, unfitted, None)


def _version(task: FitTask, parameters: Mapping[str, Any]) -> str:
    """Return when the history ended, and a digest of all that the fit depends on: one version, one model."""
    digest = hashlib.sha256(orjson.dumps(parameters, option=orjson.OPT_SORT_KEYS))
    digest.update(task.history.times.tobytes())
    digest.update(task.history.values.tobytes())
    return f"{task.history.times[-1].item():%Y%m%dT%H%MZ}-{digest.hexdigest()[:8]}"


def _parameters(task: FitTask) -> dict[str, Any]:
    return {
        "detectors": list(task.detectors),
        "seed": task.seed,
        "step_s": task.history.step_s,
        "time_zone": task.history.calendar.time_zone,
        "country": task.history.calendar.country,
        "metrics": list(task.history.metrics),
        "libraries": {name: version(name) for name in ("cityvigil", "numpy", "prophet", "pyod", "scikit-learn")},
    }
