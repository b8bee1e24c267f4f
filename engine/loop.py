"""The event-time loop: takes in what was committed, judges what is whole, writes what it found."""

from collections.abc import MutableMapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from core.clock import Clock
from core.logging import Action, Log
from core.quality import QualityFlag
from core.settings import EngineSettings
from detectors.registry import DETECTORS
from engine.asset_model import LOOKBACK_ROWS, AssetModel, FitTask
from engine.city import TooOld, WatchedCity, judged_series, sealed_step
from engine.episodes import Change
from engine.fitting import FitOutcome, Fitter
from engine.judging import AssetChange, Rules, judge_steps
from engine.looking_back import judge_past
from engine.plan import refit_interval
from engine.silence import DETECTOR as SILENCE
from engine.silence import Listener
from engine.subject import Subject, load_subject, step_at, time_of
from engine.training import fit_task, record, span_end
from store.arrivals import move_cursor, present_horizon, read_cursor, readings_since
from store.database import Connection, transaction
from store.judgements import (
    ScoreRow,
    StoredAnomaly,
    add_anomaly,
    latest_models,
    latest_score_times,
    revise_anomaly,
    unended_anomalies,
    write_scores,
)
from store.registry import StoredAsset, StoredSeries, all_assets, all_series
from store.series_data import latest_event_times

CONSUMER = "engine"

_FITS_AT_ONCE = 16
"""Models in one order: their histories are held in memory, and gathering them holds a round up."""

_ASK_AGAIN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    readings: int
    scores: int
    changes: int


@dataclass(slots=True)
class _Outcome:
    scores: list[ScoreRow] = field(default_factory=list)
    changes: list[AssetChange] = field(default_factory=list)

    def add(self, scores: list[ScoreRow], changes: list[AssetChange]) -> None:
        self.scores += scores
        self.changes += changes


class Engine:
    """Judges a city.

    After `round` has raised, an engine is of no use any more: make another one, which takes up from what was
    committed.

    Parameters
    ----------
    connection
        The engine's own; nobody else uses it meanwhile.
    settings
        Its own; `catch_up_h` of the latest event time is judged when it runs for the first time, and models are
        fitted on what lies before.
    rules
        Step, zone and threshold.
    models
        Fitted models by asset, kept up to date, so that an engine that comes after this one in the same process
        need not fit them again. None means that there are none yet.
    """

    def __init__(
        self,
        connection: Connection,
        settings: EngineSettings,
        rules: Rules,
        clock: Clock,
        fitter: Fitter,
        log: Log,
        models: MutableMapping[int, AssetModel] | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._rules = rules
        self._clock = clock
        self._fitter = fitter
        self._log = log
        self._models = {} if models is None else models
        self._city = WatchedCity(rules.step_s)
        self._listener = Listener(settings.silent_samples, rules.open_below, timedelta(seconds=rules.step_s))
        self._horizon = ""
        self._fits: Future[list[FitOutcome]] | None = None
        self._asked: dict[int, datetime] = {}

    def start(self) -> None:
        """Read the registry and the recent past, fit models, and take up where the last engine stopped."""
        cursor = read_cursor(self._connection, CONSUMER)
        self._horizon = cursor or present_horizon(self._connection)
        self._read_registry()
        if cursor is None:
            self._learn()
        else:
            self._resume()

    def _learn(self) -> None:
        """Fit models for the first time, on what lies before the span to catch up on."""
        catch_up = timedelta(hours=self._settings.catch_up_h)
        latest = self._city.latest_by_domain()
        self._fit_now({i: latest[s.asset.domain] - catch_up for i, s in self._in_feeds(latest)})

    def _resume(self) -> None:
        """Get the models of the last engine back, and have everything judged that no score is recorded for yet."""
        recorded = {i: r for i, r in latest_models(self._connection).items() if i in self._city.subjects}
        for asset_id, model in recorded.items():
            held = self._models.get(asset_id)
            if held is not None and held.version == model.version:
                self._give(held, model.model_id)
        # The same history, seed and libraries make the same model again.
        self._fit_now({i: r.trained_until for i, r in recorded.items() if self._city.subjects[i].model is None})
        self._listener.recall(unended_anomalies(self._connection, self._clock.now()))
        scored = latest_score_times(self._connection, list(DETECTORS))
        for asset_id, subject in self._city.subjects.items():
            if subject.model is not None and asset_id in scored:
                subject.dirty_from = step_at(scored[asset_id], self._rules.step_s) + 1

    def _in_feeds(self, latest: dict[str, datetime]) -> list[tuple[int, Subject]]:
        return [(i, s) for i, s in self._city.subjects.items() if s.asset.domain in latest]

    def _fit_now(self, until: dict[int, datetime]) -> None:
        waiting = iter(until.items())
        while some := dict(islice(waiting, _FITS_AT_ONCE)):
            self._install(self._fitter.fit(self._fit_tasks(some)))

    def _read_registry(self) -> None:
        assets = {asset.asset_id: asset for asset in all_assets(self._connection)}
        series = all_series(self._connection)
        latest = latest_event_times(self._connection, [s.series_id for s in series])
        fresh = []
        for asset_id, mine in judged_series(series).items():
            held = self._city.subjects.get(asset_id)
            if held is None or len(held.series) != len(mine):
                times = [latest[s.series_id] for s in mine if s.series_id in latest]
                last = step_at(max(times, default=self._clock.now()), self._rules.step_s)
                fresh.append(self._load(assets[asset_id], mine, last, held))
        self._city.add(assets.values(), series, fresh)
        self._city.heard_at(latest)
        self._recall(fresh)

    def _load(self, asset: StoredAsset, series: Sequence[StoredSeries], last: int, held: Subject | None) -> Subject:
        rows = self._settings.recent_rows + LOOKBACK_ROWS
        subject = load_subject(self._connection, asset, series, last, rows, self._rules.step_s, self._horizon)
        if held is not None:
            # Only a series has come along: until the next fit the model judges those that it knows.
            subject.model, subject.model_id, subject.dirty_from = held.model, held.model_id, held.dirty_from
            self._asked.pop(asset.asset_id, None)
        return subject

    def _recall(self, subjects: Sequence[Subject]) -> None:
        """Give subjects the recorded anomalies that may still change."""
        by_asset = {subject.asset.asset_id: subject for subject in subjects}
        if not by_asset:
            return
        earliest = min(time_of(s.grid.first, self._rules.step_s) for s in subjects)
        for stored in unended_anomalies(self._connection, earliest):
            subject = by_asset.get(stored.anomaly.asset_id)
            if subject is not None and stored.anomaly.detector != SILENCE:
                subject.known.append(stored)

    def round(self) -> Round:
        """Do one round; what it found is committed together with how far it has read."""
        self._take_over_fits()
        arrived = readings_since(self._connection, self._horizon)
        if not self._city.knows(arrived.series_id):
            self._read_registry()
        too_old = self._city.take_in(arrived, QualityFlag.BAD)
        latest = self._city.latest_by_domain()
        outcome = _Outcome()
        for asset_id, subject in self._city.subjects.items():
            outcome.add(*self._judge(subject, too_old.get(asset_id), latest, arrived.horizon))
        silences = self._listener.changes(self._city.heard(), self._city.assets, latest, self._clock.now())
        outcome.changes += [AssetChange(asset, 0, change) for asset, change in silences]
        self._commit(outcome, arrived.horizon, max(latest.values(), default=None))
        self._order_fits(latest)
        return Round(len(arrived.series_id), len(outcome.scores), len(outcome.changes))

    def _watermark(self, domain: str, latest: dict[str, datetime]) -> datetime | None:
        """Return the event time up to which a domain's readings are taken to be complete."""
        lateness = timedelta(seconds=self._settings.lateness_s)
        by_clock = self._clock.now() - lateness - 2 * timedelta(seconds=self._rules.step_s)
        by_feed = latest.get(domain)
        return None if by_feed is None else max(by_feed - lateness, by_clock)

    def _judge(
        self, subject: Subject, late: TooOld | None, latest: dict[str, datetime], horizon: str
    ) -> tuple[list[ScoreRow], list[AssetChange]]:
        """Judge what has changed and may be judged; what may not yet stays marked as changed."""
        watermark = self._watermark(subject.asset.domain, latest)
        if subject.model is None or watermark is None or (late is None and subject.dirty_from is None):
            return [], []
        sealed, now = sealed_step(subject, watermark, self._rules.step_s), self._clock.now()
        subject.forget_ended(self._rules.step_s)
        found = _Outcome()
        late = _reaching_back(subject, late, sealed)
        if late is not None:
            scores, changes, last = judge_past(
                self._connection, subject, subject.model, late, sealed, horizon, self._rules, now
            )
            found.add(scores, changes)
            if last == sealed:
                subject.judged_to(sealed)
        if subject.dirty_from is not None and subject.dirty_from <= sealed:
            found.add(*judge_steps(subject, subject.model, subject.dirty_from, sealed, self._rules, now))
            subject.judged_to(sealed)
        return found.scores, found.changes

    def _commit(self, outcome: _Outcome, horizon: str, watermark: datetime | None) -> None:
        with transaction(self._connection):
            write_scores(self._connection, outcome.scores)
            written = [(change, self._write(change)) for change in outcome.changes]
            move_cursor(self._connection, CONSUMER, horizon, watermark)
        self._horizon = horizon
        for change, anomaly_id in written:
            self._remember(change, anomaly_id)

    def _write(self, change: AssetChange) -> int:
        number, anomaly = change.change.anomaly_id, change.change.anomaly
        if number is None:
            return add_anomaly(self._connection, change.series_id or None, anomaly)
        revise_anomaly(self._connection, number, anomaly)
        return number

    def _remember(self, change: AssetChange, anomaly_id: int) -> None:
        anomaly = change.change.anomaly
        stored = StoredAnomaly(anomaly_id, change.series_id or None, anomaly)
        if anomaly.detector == SILENCE:
            old = self._listener.remember(stored)
        else:
            old = self._city.subjects[change.asset.asset_id].remember(stored, self._rules.step_s)
        action = _action(old, change.change)
        if action is not None:
            self._log.info(
                f"{change.asset.name}: {anomaly.detector} {action.value.removeprefix('anomaly_')}",
                action,
                asset=change.asset.name,
                detector=anomaly.detector,
                since=anomaly.since.isoformat(),
                p_value=anomaly.p_value,
                severity=anomaly.severity,
            )

    def _fit_tasks(self, until: dict[int, datetime]) -> list[FitTask]:
        """Gather the histories of some assets, each up to the last step that is over at an event time."""
        now, tasks = self._clock.now(), []
        for asset_id, time in until.items():
            self._asked[asset_id] = time
            end = span_end(time, self._rules.step_s)
            subject = self._city.subjects[asset_id]
            task = fit_task(self._connection, subject, end, self._settings, self._rules, now)
            tasks += [task] if task else []
        return tasks

    def _order_fits(self, latest: dict[str, datetime]) -> None:
        """Have due models fitted in the background, some at a time, on what their feed has completed."""
        if self._fits is not None:
            return
        lateness = timedelta(seconds=self._settings.lateness_s)
        feeds = ((i, s, latest[s.asset.domain] - lateness) for i, s in self._in_feeds(latest))
        due = ((asset_id, until) for asset_id, subject, until in feeds if self._is_due(subject, until))
        tasks = self._fit_tasks(dict(islice(due, _FITS_AT_ONCE)))
        if tasks:
            self._fits = self._fitter.fit_later(tasks)

    def _is_due(self, subject: Subject, until: datetime) -> bool:
        """Return whether a model is missing, old, or lacks a series; each is asked for once an hour at most."""
        asked = self._asked.get(subject.asset.asset_id)
        if asked is not None and until - asked < _ASK_AGAIN_AFTER:
            return False
        model = subject.model
        if model is None or len(model.series_ids) != len(subject.series):
            return True
        return until - model.trained_until >= refit_interval(model.trained_until - model.trained_from, self._settings)

    def _take_over_fits(self) -> None:
        if self._fits is not None and self._fits.done():
            outcomes, self._fits = self._fits.result(), None
            self._install(outcomes)

    def _install(self, outcomes: Sequence[FitOutcome]) -> None:
        models = [outcome for outcome in outcomes if not isinstance(outcome, str)]
        for reason in (outcome for outcome in outcomes if isinstance(outcome, str)):
            self._log.error(f"a model could not be fitted: {reason}", Action.FIT_FAILED)
        fitted = [model for model in models if model.judgements_per_row]
        for model in fitted:
            self._give(model, record(self._connection, model, self._settings))
        if fitted:
            self._log.info(f"fitted models of {len(fitted)} assets", Action.MODELS_FITTED, assets=len(fitted))

    def _give(self, model: AssetModel, model_id: int) -> None:
        subject = self._city.subjects[model.asset_id]
        if subject.model is None:
            # What it was fitted on is no news to it.
            subject.dirty_from = step_at(model.trained_until, self._rules.step_s) + 1
        subject.model, subject.model_id = model, model_id
        self._models[model.asset_id] = model


def _reaching_back(subject: Subject, late: TooOld | None, sealed: int) -> TooOld | None:
    """Return what must be judged from the store; what may not be judged yet stays with the subject."""
    if late is not None and late.first > sealed:
        subject.touch(late.first)
        late = None
    dirty = subject.dirty_from
    if dirty is not None and dirty < subject.first_judged and dirty <= sealed:
        return TooOld(min(dirty, late.first) if late else dirty, sealed)
    return late


def _action(old: StoredAnomaly | None, change: Change) -> Action | None:
    if change.anomaly_id is None:
        return Action.ANOMALY_OPENED
    if change.anomaly.retracted:
        return Action.ANOMALY_RETRACTED
    if change.anomaly.ended_at is not None and (old is None or old.anomaly.ended_at is None):
        return Action.ANOMALY_ENDED
    return None
