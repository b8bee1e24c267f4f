"""A small town whose readings are known, to be judged by an engine on a real database."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from core.anomaly import Anomaly
from core.asset import Asset, Domain, Series
from core.calendar import Calendar
from core.logging import log_of
from core.quality import QualityFlag
from core.reading import Reading
from core.settings import EngineSettings
from engine.asset_model import AssetModel, FitTask, fit_asset
from engine.fitting import FitOutcome, Fitter
from engine.judging import Rules
from engine.loop import Engine
from engine.silence import DETECTOR as SILENCE
from store.batches import open_batch, write_readings
from store.copying import ReadingColumns
from store.database import Connection, transaction
from store.judgements import StoredAnomaly, anomalies_of_asset
from store.registry import add_assets, add_series, all_series

STEP_S = 300
STEP = timedelta(seconds=STEP_S)
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
LIVE = BEGIN + timedelta(days=5)
"""History lies before it, what the engine judges after it."""

RULES = Rules(STEP_S, Calendar("Europe/Bucharest", "RO"), 5e-6)
SETTINGS = EngineSettings(
    detectors=("prophet_band", "flat_line", "group_pca"),
    step_s=STEP_S,
    lateness_s=60,
    history_days=5,
    catch_up_h=0,
    refit_after_h=200,
    recent_rows=24,
    silent_samples=6,
)
METRICS = {"flow": ("m3/h", 80.0, 20.0), "level": ("m", 3.0, 0.8)}


class ManualClock:
    """Shows what it is told to."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time

    def to_wall_s(self, span_s: float) -> float:
        return min(span_s, 0.01)


class Key(NamedTuple):
    asset: str
    metric: str


Values = dict[tuple[Key, datetime], float]
"""What each series measures at each event time."""


Scores = dict[tuple[str, str, datetime], tuple[float, float]]
"""Score and p-value of each metric (empty: the asset as a whole), detector and time."""


def times(begin: datetime, end: datetime) -> list[datetime]:
    """Return the ends of the steps after `begin` and up to `end`."""
    return [begin + STEP * n for n in range(1, int((end - begin) / STEP) + 1)]


def normal(assets: Sequence[str], begin: datetime, end: datetime, twins: bool = False) -> Values:
    """Return a daily rhythm with noise; twins measure exactly the same."""
    values = {}
    for number, asset in enumerate(assets):
        for column, (metric, (_, centre, swing)) in enumerate(METRICS.items()):
            series = np.random.default_rng([0 if twins else number, column])
            noise = series.normal(0.0, 0.03, 20_000)
            for time in times(begin, end):
                row = int((time - BEGIN) / STEP)
                values[Key(asset, metric), time] = float(
                    round(centre + swing * (np.sin(2 * np.pi * row / 288) + noise[row]), 6)
                )
    return values


def with_shift(values: Values, key: Key, begin: datetime, end: datetime, shift: float) -> Values:
    """Return the values with those of one series moved from `begin` to `end`, both included."""
    return {(k, t): v + shift if k == key and begin <= t <= end else v for (k, t), v in values.items()}


def with_stuck(values: Values, key: Key, begin: datetime, end: datetime) -> Values:
    """Return the values with one series repeating itself from `begin` to `end`."""
    held = values[key, begin]
    return {(k, t): held if k == key and begin <= t <= end else v for (k, t), v in values.items()}


@dataclass(slots=True)
class Town:
    """A database with a registry, and who writes to it."""

    connection: Connection
    clock: ManualClock
    series_ids: dict[Key, int]
    asset_ids: dict[str, int]

    def write(self, values: Values, quality: QualityFlag = QualityFlag.GOOD) -> None:
        """Commit readings as one batch."""
        readings = [Reading(self.series_ids[key], time, value, quality, time) for (key, time), value in values.items()]
        columns = ReadingColumns.of(readings)
        with transaction(self.connection):
            batch = open_batch(self.connection, uuid.uuid4(), "live", columns)
            assert batch is not None
            assert write_readings(self.connection, batch, columns).stored == len(readings)

    def register(self, assets: Sequence[str], metrics: Sequence[str] = tuple(METRICS), interval_s: float = 300) -> None:
        """Add assets with their series to the registry."""
        self.asset_ids |= add_assets(self.connection, [Asset(name, Domain.WATER, "dma") for name in assets])
        wanted = [
            (self.asset_ids[name], Series(name, metric, METRICS[metric][0], interval_s))
            for name in assets
            for metric in metrics
        ]
        add_series(self.connection, wanted)
        self.series_ids = {Key(s.asset, s.metric): s.series_id for s in all_series(self.connection)}

    def anomalies(self, asset: str) -> list[StoredAnomaly]:
        """Return all anomalies of an asset, retracted ones included."""
        return anomalies_of_asset(self.connection, self.asset_ids[asset], datetime(2000, 1, 1, tzinfo=UTC))

    def scores(self, asset: str) -> Scores:
        """Return everything that was scored."""
        metric_of = {0: ""} | {number: key.metric for key, number in self.series_ids.items()}
        rows = self.connection.execute(
            "select series_id, detector, time, score, p_value from score where asset_id = %s", [self.asset_ids[asset]]
        )
        return {(metric_of[s], detector, time): (score, p) for s, detector, time, score, p in rows}


class Told(NamedTuple):
    """An anomaly in words that depend neither on numbers nor on when it was found."""

    metric: str
    detector: str
    kind: str
    since: datetime
    last_at: datetime
    ended_at: datetime | None
    p_value: float
    severity: float
    score: float
    evidence: tuple[tuple[str, float | None, float | None, float], ...]


def story(town: Town, asset: str) -> list[Told]:
    """Return what stays of an asset's anomalies, without silence, which is about when readings arrive."""
    metric_of: dict[int | None, str] = {None: ""} | {number: key.metric for key, number in town.series_ids.items()}
    stay = (k for k in town.anomalies(asset) if not k.anomaly.retracted and k.anomaly.detector != SILENCE)
    return sorted(_told(metric_of[k.series_id], k.anomaly) for k in stay)


def _told(metric: str, anomaly: Anomaly) -> Told:
    return Told(
        metric,
        anomaly.detector,
        anomaly.kind.value,
        anomaly.since,
        anomaly.last_at,
        anomaly.ended_at,
        anomaly.p_value,
        anomaly.severity,
        anomaly.score,
        tuple(sorted((e.metric, e.observed, e.upper, e.share) for e in anomaly.evidence)),
    )


class FitCache:
    """Fits each history once in the whole test run: the towns of all tests share theirs."""

    def __init__(self) -> None:
        self._fitted: dict[tuple[object, ...], AssetModel] = {}
        self._fit: Callable[[FitTask], AssetModel] = fit_asset

    def __call__(self, task: FitTask) -> AssetModel:
        history = task.history
        key = (task.asset_id, task.series_ids, history.times.tobytes(), history.values.tobytes(), history.metrics)
        if key not in self._fitted:
            self._fitted[key] = self._fit(task)
        return replace(self._fitted[key], fitted_at=task.fitted_at)


class InPlace(Fitter):
    """Fits in this process, and counts; an order for the background is done at once."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        super().__init__({"scheduler": "synchronous"}, thread)
        self.ordered: list[Sequence[FitTask]] = []
        self.fitted = 0

    def fit(self, tasks: Sequence[FitTask]) -> list[FitOutcome]:
        self.fitted += len(tasks)
        return super().fit(tasks)

    def fit_later(self, tasks: Sequence[FitTask]) -> Future[list[FitOutcome]]:
        self.ordered.append(tasks)
        future: Future[list[FitOutcome]] = Future()
        future.set_result(self.fit(tasks))
        return future


@contextmanager
def in_place() -> Iterator[InPlace]:
    with ThreadPoolExecutor(1) as thread:
        yield InPlace(thread)


def engine_for(
    town: Town, fitter: Fitter, settings: EngineSettings = SETTINGS, models: dict[int, AssetModel] | None = None
) -> Engine:
    """Return a started engine."""
    engine = Engine(town.connection, settings, RULES, town.clock, fitter, log_of("engine"), models)
    engine.start()
    return engine


def founded(connection: Connection, assets: Sequence[str], history: Values) -> Town:
    """Return a town with assets and history."""
    town = Town(connection, ManualClock(LIVE), {}, {})
    town.register(assets)
    town.write(history)
    return town


def live(town: Town, engine: Engine, values: Values, begin: datetime, end: datetime, rounds_every: int = 3) -> None:
    """Write the values of each step in the order of time, and have them judged every few steps."""
    steps = times(begin, end)
    for start in range(0, len(steps), rounds_every):
        now = steps[start : start + rounds_every]
        part = {(k, t): v for (k, t), v in values.items() if t in now}
        if part:
            town.write(part)
        town.clock.time = now[-1] + timedelta(seconds=30)
        engine.round()
