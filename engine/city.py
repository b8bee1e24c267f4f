"""All assets under watch, and the arrays that sort arriving readings to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from engine.grid import step_of
from engine.silence import Heard
from engine.subject import Subject, judged_by_band, step_at, utc
from store.arrivals import Arrived
from store.registry import StoredAsset, StoredSeries

_NEVER = np.datetime64("NaT")
_LEAST_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class TooOld:
    """Late readings for steps `first` to `last`, before those that can be judged from what a subject holds."""

    first: int
    last: int


@dataclass(slots=True)
class WatchedCity:
    """Who is watched, and where each arriving reading belongs.

    Attributes
    ----------
    step_s
        Seconds of a step.
    subjects
        By the asset's number; assets without a judged series are left out.
    series
        Every series, judged or not, by number.
    """

    step_s: int
    subjects: dict[int, Subject] = field(default_factory=dict)
    series: dict[int, StoredSeries] = field(default_factory=dict)
    assets: dict[int, StoredAsset] = field(default_factory=dict)
    _asset_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _column_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _last_at: NDArray[np.datetime64] = field(default_factory=lambda: np.zeros(0, dtype="datetime64[us]"))

    def knows(self, series_ids: NDArray[np.int32]) -> bool:
        """Return whether every one of these series is in the registry that we have read."""
        return all(series_id in self.series for series_id in np.unique(series_ids).tolist())

    def add(self, assets: Iterable[StoredAsset], series: Sequence[StoredSeries], subjects: Iterable[Subject]) -> None:
        """Take over the registry, and the subjects that are new or have changed."""
        self.assets = {asset.asset_id: asset for asset in assets}
        self.series = {s.series_id: s for s in series}
        self.subjects.update({subject.asset.asset_id: subject for subject in subjects})
        size = max(self.series, default=0) + 1
        self._asset_of = np.full(size, -1, dtype=np.int64)
        self._column_of = np.full(size, -1, dtype=np.int64)
        for s in series:
            self._asset_of[s.series_id] = s.asset_id
        for subject in self.subjects.values():
            for series_id, column in subject.column_of().items():
                self._column_of[series_id] = column
        grown = np.full(size, _NEVER, dtype="datetime64[us]")
        grown[: len(self._last_at)] = self._last_at
        self._last_at = grown

    def heard_at(self, latest: dict[int, datetime]) -> None:
        """Note when each series was last heard of, as the store has it."""
        for series_id, time in latest.items():
            self._last_at[series_id] = np.datetime64(time.replace(tzinfo=None), "us")

    def take_in(self, arrived: Arrived, bad: int) -> dict[int, TooOld]:
        """Sort new readings to their subjects; return what is too late for the steps that they hold, by asset.

        Parameters
        ----------
        bad
            Quality flag whose readings are not judged.
        """
        if not len(arrived.series_id):
            return {}
        # An instrument that says only impossible things says nothing: it counts as silent.
        usable = arrived.quality != bad
        np.fmax.at(self._last_at, arrived.series_id[usable], arrived.time[usable])
        judged = usable & (self._column_of[arrived.series_id] >= 0)
        series_ids, values = arrived.series_id[judged], arrived.value[judged]
        steps, owners = step_of(arrived.time[judged], self.step_s), self._asset_of[series_ids]
        too_old = {}
        order = np.argsort(owners, kind="stable")
        bounds = np.flatnonzero(np.diff(owners[order])) + 1
        for part in np.split(order, bounds) if order.size else []:
            subject = self.subjects[int(owners[part[0]])]
            late = self._give(subject, steps[part], self._column_of[series_ids[part]], values[part])
            if late is not None:
                too_old[subject.asset.asset_id] = late
        return too_old

    def _give(
        self, subject: Subject, steps: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float64]
    ) -> TooOld | None:
        subject.advance_to(int(steps.max()))
        subject.grid.add(steps, columns, values)
        held = steps[steps >= subject.first_judged]
        if held.size:
            subject.touch(int(held.min()))
        late = steps[steps < subject.first_judged]
        return TooOld(int(late.min()), int(late.max())) if late.size else None

    def latest_by_domain(self) -> dict[str, datetime]:
        """Return the latest event time of each domain that has been heard of."""
        latest: dict[str, np.datetime64] = {}
        for series_id, series in self.series.items():
            last, domain = self._last_at[series_id], self.assets[series.asset_id].domain
            if not np.isnat(last):
                latest[domain] = max(latest.get(domain, last), last)
        return {domain: utc(time) for domain, time in latest.items()}

    def heard(self) -> dict[int, list[Heard]]:
        """Return when each series with a known rhythm was last heard of, by asset."""
        found: dict[int, list[Heard]] = {}
        for series_id, series in self.series.items():
            interval_s = series.expected_interval_s or self._usual_interval_s(series_id)
            if interval_s is not None and not np.isnat(self._last_at[series_id]):
                found.setdefault(series.asset_id, []).append(Heard(series, utc(self._last_at[series_id]), interval_s))
        return found

    def _usual_interval_s(self, series_id: int) -> float | None:
        subject = self.subjects.get(int(self._asset_of[series_id]))
        column = int(self._column_of[series_id])
        if subject is None or column < 0:
            return None
        counts = subject.grid.counts[:, column]
        present = np.flatnonzero(counts)
        if counts.sum() < _LEAST_SAMPLES:
            return None
        return float((present[-1] - present[0] + 1) * self.step_s / counts.sum())


def judged_series(series: Sequence[StoredSeries]) -> dict[int, list[StoredSeries]]:
    """Return the series that are judged, by asset."""
    found: dict[int, list[StoredSeries]] = {}
    for s in series:
        if judged_by_band(s):
            found.setdefault(s.asset_id, []).append(s)
    return found


def sealed_step(subject: Subject, watermark: datetime, step_s: int) -> int:
    """Return the last step that may be judged.

    A step may be judged when the watermark has passed its end, or, for an asset whose series speak at most once a
    step, as soon as all of them have spoken.
    """
    by_time = step_at(watermark, step_s)
    # The step that the watermark lies in is still running, unless the watermark is exactly its end.
    sealed = by_time if watermark.timestamp() % step_s == 0 else by_time - 1
    if subject.is_slow(step_s):
        while sealed < subject.grid.last and subject.is_complete(sealed + 1):
            sealed += 1
    return min(sealed, subject.grid.last)
