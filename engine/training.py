"""Which models are due, and the history that they are fitted on."""

from datetime import datetime, timedelta

import numpy as np

from core.settings import EngineSettings
from detectors.protocol import Window
from engine.asset_model import AssetModel, FitTask
from engine.grid import end_of, step_of
from engine.judging import Rules
from engine.plan import detectors_of, refit_interval
from engine.subject import Subject, step_at, time_of
from store.database import Connection, transaction
from store.judgements import BandColumns, ModelRecord, anomalies_of_asset, record_model, write_band
from store.series_data import stepped_readings

_BAND_STEP_S = 900
_BAND_AHEAD = timedelta(hours=12)
"""How long after the next re-fit the band reaches, so that it does not end while a re-fit is late."""

_BAND_BACK = timedelta(hours=24)


def span_end(time: datetime, step_s: int) -> datetime:
    """Return the end of the last step that is over at an event time: a model learns from no half step."""
    step = step_at(time, step_s)
    end = time_of(step, step_s)
    return end if end <= time else time_of(step - 1, step_s)


def fit_task(
    connection: Connection, subject: Subject, until: datetime, settings: EngineSettings, rules: Rules, now: datetime
) -> FitTask | None:
    """Gather what a fit needs; None if the asset has no reading in the span.

    Stretches in which the asset was not normal are left out, so that no model learns that a fault is usual.

    Parameters
    ----------
    until
        Event time of the last row of history, on the end of a step (`span_end`).
    """
    last = step_at(until, rules.step_s)
    rows = int(timedelta(days=settings.history_days).total_seconds() // rules.step_s)
    since = time_of(last - rows, rules.step_s)
    column_of = subject.column_of()
    stepped = stepped_readings(connection, list(column_of), (since, until), rules.step_s, _EVERYTHING)
    if not len(stepped.series_id):
        return None
    values = np.full((rows, len(column_of)), np.nan)
    row = step_of(stepped.step_end, rules.step_s) - (last - rows + 1)
    values[row, [column_of[int(s)] for s in stepped.series_id]] = stepped.total / stepped.samples
    times = end_of(np.arange(last - rows + 1, last + 1), rules.step_s)
    for stored in anomalies_of_asset(connection, subject.asset.asset_id, since):
        if not stored.anomaly.retracted:
            start, end = (np.datetime64(t.replace(tzinfo=None)) for t in (stored.anomaly.since, stored.anomaly.last_at))
            values[(times >= start) & (times <= end)] = np.nan
    known = np.flatnonzero(~np.isnan(values).all(axis=1))
    if not known.size:
        return None
    metrics = tuple(series.metric for series in subject.series)
    history = Window(times[known[0] :], values[known[0] :], metrics, float(rules.step_s), rules.calendar)
    return FitTask(subject.asset.asset_id, tuple(column_of), history, now, settings.seed, detectors_of(settings))


_EVERYTHING = str(2**63)
"""A transaction horizon after all others: nothing is left out."""


def record(connection: Connection, model: AssetModel, settings: EngineSettings) -> int:
    """Record a fitted model and what it expects, and return its number."""
    with transaction(connection):
        model_id = record_model(
            connection,
            ModelRecord(
                asset_id=model.asset_id,
                version=model.version,
                detectors=model.detectors,
                trained_from=model.trained_from,
                trained_until=model.trained_until,
                fitted_at=model.fitted_at,
                parameters={**model.parameters, "unfitted": dict(model.unfitted)},
            ),
        )
        span = model.trained_until - model.trained_from
        write_band(connection, model_id, _band(model, refit_interval(span, settings)))
    return model_id


def _band(model: AssetModel, until_refit: timedelta) -> BandColumns:
    start = model.trained_until - _BAND_BACK
    span_s = (_BAND_BACK + until_refit + _BAND_AHEAD).total_seconds()
    first = step_at(start, _BAND_STEP_S)
    times = end_of(np.arange(first, first + int(span_s // _BAND_STEP_S)), _BAND_STEP_S)
    fitted = {series_id: series.band for series_id, series in model.series.items()}
    bands = {series_id: band.expect(times) for series_id, band in fitted.items() if band is not None}
    size = len(bands) * len(times)
    columns = [np.concatenate([band[i] for band in bands.values()]) if bands else np.zeros(0) for i in range(3)]
    return BandColumns(
        series_id=np.repeat(np.array(list(bands), dtype=np.int32), len(times)) if size else np.zeros(0, np.int32),
        time=np.tile(times, len(bands)),
        centre=columns[0],
        lower=columns[1],
        upper=columns[2],
    )
