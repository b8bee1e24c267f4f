"""One asset as the engine holds it: its recent readings, p-values, recorded anomalies and model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core.calendar import Calendar
from core.metrics import MetricKind, traits_of
from detectors.protocol import Window
from engine.asset_model import LOOKBACK_ROWS, AssetModel
from engine.grid import Grid, end_of, step_of
from store.database import Connection
from store.judgements import StoredAnomaly, p_values
from store.registry import StoredAsset, StoredSeries
from store.series_data import stepped_readings

DetectorKey = tuple[int, str]
"""Number of the series (0: the asset as a whole) and name of the detector."""


def judged_by_band(series: StoredSeries) -> bool:
    """Return whether an expectation makes sense for a series; it does not for positions, angles and counters."""
    return traits_of(series.metric, series.unit).kind is MetricKind.GAUGE


@dataclass(slots=True)
class Subject:
    """An asset under watch.

    Attributes
    ----------
    series
        Its k judged series, in the order of the grid's columns.
    grid
        The latest steps of their readings.
    p_values
        For each detector on each series, one value per step of the grid; NaN = not judged.
    known
        Its recorded anomalies that may still change.
    model, model_id
        None and 0 until there is history enough.
    dirty_from
        First step whose readings have changed since it was judged; None if there is none. It may lie before the grid.
    """

    asset: StoredAsset
    series: tuple[StoredSeries, ...]
    grid: Grid
    p_values: dict[DetectorKey, NDArray[np.float64]] = field(default_factory=dict)
    known: list[StoredAnomaly] = field(default_factory=list)
    model: AssetModel | None = None
    model_id: int = 0
    dirty_from: int | None = None

    @property
    def first_judged(self) -> int:
        """First step that can be judged from what the grid holds; those before it are context."""
        return self.grid.first + LOOKBACK_ROWS

    def column_of(self) -> dict[int, int]:
        """Return the grid's column of each series."""
        return {series.series_id: index for index, series in enumerate(self.series)}

    def advance_to(self, last: int) -> None:
        """Make room for readings up to a step."""
        shift = last - self.grid.last
        if shift <= 0:
            return
        self.grid.advance_to(last)
        for key, values in self.p_values.items():
            kept = values[shift:]
            self.p_values[key] = np.concatenate([kept, np.full(len(values) - len(kept), np.nan)])

    def touch(self, step: int) -> None:
        """Note that the readings of a step have changed."""
        self.dirty_from = step if self.dirty_from is None else min(self.dirty_from, step)

    def judged_to(self, step: int) -> None:
        """Note that everything up to a step has been judged."""
        self.dirty_from = step + 1 if step < self.grid.last else None

    def remember(self, stored: StoredAnomaly, step_s: int) -> StoredAnomaly | None:
        """Note what was written of an anomaly; return what was known of it before."""
        old = next((k for k in self.known if k.anomaly_id == stored.anomaly_id), None)
        self.known = [k for k in self.known if k.anomaly_id != stored.anomaly_id]
        if not stored.anomaly.retracted:
            self.known.append(stored)
        self.forget_ended(step_s)
        return old

    def adopt(self, past: "Subject") -> None:
        """Take over the p-values of a look at the same asset that went further back and up to the last judged step."""
        begin = max(self.grid.first, past.grid.first)
        end = min(self.grid.last, past.grid.last) + 1
        for key, theirs in past.p_values.items():
            mine = self.p_values.setdefault(key, np.full(len(self.grid.sums), np.nan))
            mine[begin - self.grid.first : end - self.grid.first] = theirs[
                begin - past.grid.first : end - past.grid.first
            ]

    def forget_ended(self, step_s: int) -> None:
        """Forget recorded anomalies that had ended before the grid begins: nothing held can change them."""
        begin = time_of(self.grid.first, step_s)
        self.known = [k for k in self.known if k.anomaly.ended_at is None or k.anomaly.ended_at >= begin]

    def window(self, step_s: int, calendar: Calendar) -> Window:
        """Return all steps held, as the detectors want them."""
        steps = np.arange(self.grid.first, self.grid.last + 1)
        metrics = tuple(series.metric for series in self.series)
        return Window(end_of(steps, step_s), self.grid.means(), metrics, float(step_s), calendar)

    def is_slow(self, step_s: int) -> bool:
        """Return whether every series says at most one thing a step, so that a step is whole once it has spoken."""
        per_step = self.grid.samples_per_step()
        for index, series in enumerate(self.series):
            interval_s = series.expected_interval_s
            if interval_s is not None:
                if interval_s < step_s:
                    return False
            elif not np.isnan(per_step[index]) and per_step[index] > 1:
                return False
        return True

    def is_complete(self, step: int) -> bool:
        """Return whether every series has spoken in a step."""
        row = step - self.grid.first
        return 0 <= row < len(self.grid.counts) and bool((self.grid.counts[row] > 0).all())


def utc(time: np.datetime64) -> datetime:
    """Return a datetime64 as an aware datetime in UTC."""
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def time_of(step: int, step_s: int) -> datetime:
    """Return the event time at which a step ends."""
    return utc(end_of(np.array([step]), step_s)[0])


def step_at(time: datetime, step_s: int) -> int:
    """Return the number of the step that an event time lies in."""
    naive = time.astimezone(UTC).replace(tzinfo=None)
    return int(step_of(np.array([naive], dtype="datetime64[us]"), step_s)[0])


def load_subject(
    connection: Connection,
    asset: StoredAsset,
    series: Sequence[StoredSeries],
    last: int,
    steps: int,
    step_s: int,
    horizon: str,
) -> Subject:
    """Read what the store knows of an asset's latest steps.

    Parameters
    ----------
    series
        Its judged series.
    last, steps
        Number of the last step to hold, and how many.
    horizon
        Readings committed at this transaction horizon or later are left out: they arrive by themselves.
    """
    subject = Subject(asset, tuple(series), Grid.ending_at(last, steps, len(series)))
    until = time_of(last, step_s)
    since = until - timedelta(seconds=steps * step_s)
    column_of = subject.column_of()
    stepped = stepped_readings(connection, list(column_of), (since, until), step_s, horizon)
    rows = step_of(stepped.step_end, step_s) - subject.grid.first
    columns = np.array([column_of[int(s)] for s in stepped.series_id], dtype=np.int64)
    subject.grid.sums[rows, columns] = stepped.total
    subject.grid.counts[rows, columns] = stepped.samples
    for series_id, detector, time, p_value in p_values(connection, asset.asset_id, since, until):
        row = step_at(time, step_s) - subject.grid.first
        if 0 <= row < steps:
            subject.p_values.setdefault((series_id, detector), np.full(steps, np.nan))[row] = p_value
    return subject
