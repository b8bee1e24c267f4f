"""The event-time loop: takes in what was committed, judges what is whole, writes what it found."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.clock import Clock
from core.logging import Action, Log
from core.quality import QualityFlag
from core.settings import EngineSettings
from engine.asset_model import FitTask
from engine.city import TooOld, WatchedCity, judged_series, sealed_step
from engine.episodes import Change
from engine.fitting import FitOutcome, Fitter
from engine.judging import Rules, SubjectChange, judge_steps
from engine.silence import DETECTOR as SILENCE
from engine.silence import feed_is_silent, silence_anomaly, silent_series
from engine.subject import Subject, load_subject, step_at, time_of
from engine.training import fit_task, is_due, record
from store.arrivals import move_cursor, present_horizon, read_cursor, readings_since
from store.database import Connection
from store.judgements import (
    ScoreRow,
    StoredAnomaly,
    add_anomaly,
    anomalies_of_asset,
    revise_anomaly,
    unended_anomalies,
    write_scores,
)
from store.registry import StoredAsset, StoredSeries, all_assets, all_series
from store.series_data import latest_event_times

CONSUMER = "engine"

_SETTLING_ROWS = 36
"""Rows after a late reading that are judged with it, so that an anomaly which it opens can also end."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    readings: int
    scores: int
    changes: int


@dataclass(slots=True)
class _Outcome:
    scores: list[ScoreRow]
    changes: list[SubjectChange]

    def add(self, other: tuple[list[ScoreRow], list[SubjectChange]]) -> None:
        self.scores += other[0]
        self.changes += other[1]


class Engine:
    """Judges a city.

    Parameters
    ----------
    connection
        The engine's own; nobody else uses it meanwhile.
    settings
        Its own; `catch_up_h` of the latest event time is judged when it runs for the first time, and models are
        fitted on what lies before.
    rules
        Step, zone and threshold.
    """

    def __init__(
        self,
        connection: Connection,
        settings: EngineSettings,
        rules: Rules,
        clock: Clock,
        fitter: Fitter,
        log: Log,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._rules = rules
        self._clock = clock
        self._fitter = fitter
        self._log = log
        self._city = WatchedCity(rules.step_s)
        self._horizon = ""
        self._fits: Future[list[FitOutcome]] | None = None
        self._asked: dict[int, datetime] = {}

    def start(self) -> None:
        """Read the registry and the recent past, fit models, and take up where the last engine stopped."""
        cursor = read_cursor(self._connection, CONSUMER)
        self._horizon = cursor or present_horizon(self._connection)
        self._read_registry()
        latest = self._city.latest_by_domain()
        if cursor is None:
            catch_up = timedelta(hours=self._settings.catch_up_h)
            fit_until = {domain: time - catch_up for domain, time in latest.items()}
        else:
            fit_until = latest
        self._install(self._fitter.fit(self._fit_tasks(fit_until)))
        for subject in self._city.subjects.values():
            self._resume(subject, fit_until.get(subject.asset.domain))

    def _resume(self, subject: Subject, until: datetime | None) -> None:
        """Have everything judged that no score is recorded for yet."""
        if until is None:
            return
        unjudged = step_at(until, self._rules.step_s) + 1
        judged = [row for values in subject.p_values.values() for row in (values == values).nonzero()[0][-1:]]  # noqa: PLR0124 - NaN differs from itself
        if judged:
            unjudged = subject.grid.first + int(max(judged)) + 1
        subject.touch(max(unjudged, subject.grid.first))

    def _read_registry(self) -> None:
        assets, series = all_assets(self._connection), all_series(self._connection)
        latest = latest_event_times(self._connection, [s.series_id for s in series])
        by_asset = judged_series(series)
        fresh = []
        for asset in assets:
            mine = by_asset.get(asset.asset_id, [])
            held = self._city.subjects.get(asset.asset_id)
            if mine and (held is None or len(held.series) != len(mine)):
                times = [latest[s.series_id] for s in mine if s.series_id in latest]
                last = step_at(max(times, default=self._clock.now()), self._rules.step_s)
                fresh.append(self._load(asset.asset_id, mine, assets, last))
        self._city.add(assets, series, fresh)
        self._city.heard_at(latest)
        self._recall(fresh)

    def _load(self, asset_id: int, series: Sequence[StoredSeries], assets: Sequence[StoredAsset], last: int) -> Subject:
        asset = next(a for a in assets if a.asset_id == asset_id)
        rows = self._settings.recent_rows
        return load_subject(self._connection, asset, series, last, rows, self._rules.step_s, self._horizon)

    def _recall(self, subjects: Sequence[Subject]) -> None:
        """Give subjects the recorded anomalies that may still change."""
        by_asset = {subject.asset.asset_id: subject for subject in subjects}
        if not by_asset:
            return
        earliest = min(time_of(s.grid.first, self._rules.step_s) for s in subjects)
        for stored in unended_anomalies(self._connection, earliest):
            if (subject := by_asset.get(stored.anomaly.asset_id)) is not None:
                subject.known.append(stored)

    def round(self) -> Round:
        """Do one round; what it found is committed together with how far it has read."""
        self._take_over_fits()
        arrived = readings_since(self._connection, self._horizon)
        if not self._city.knows(arrived.series_id):
            self._read_registry()
        too_old = self._city.take_in(arrived, QualityFlag.BAD)
        latest = self._city.latest_by_domain()
        outcome = _Outcome([], [])
        for subject in self._city.subjects.values():
            outcome.add(self._judge(subject, latest))
        for late in too_old:
            outcome.add(self._judge_again(late, arrived.horizon))
        outcome.changes += self._listen(latest)
        self._commit(outcome, arrived.horizon, max(latest.values(), default=None))
        self._order_fits(latest)
        return Round(len(arrived.series_id), len(outcome.scores), len(outcome.changes))

    def _watermark(self, domain: str, latest: dict[str, datetime]) -> datetime | None:
        """Return the event time up to which a domain's readings are taken to be complete."""
        lateness = timedelta(seconds=self._settings.lateness_s)
        by_clock = self._clock.now() - lateness - 2 * timedelta(seconds=self._rules.step_s)
        by_feed = latest.get(domain)
        return None if by_feed is None else max(by_feed - lateness, by_clock)

    def _judge(self, subject: Subject, latest: dict[str, datetime]) -> tuple[list[ScoreRow], list[SubjectChange]]:
        watermark = self._watermark(subject.asset.domain, latest)
        if subject.model is None or subject.dirty_from is None or watermark is None:
            return [], []
        sealed = sealed_step(subject, watermark, self._rules.step_s)
        first = max(subject.dirty_from, subject.grid.first)
        if sealed < first:
            return [], []
        judged = judge_steps(subject, subject.model, first, sealed, self._rules, self._clock.now())
        subject.dirty_from = sealed + 1 if sealed < subject.grid.last else None
        return judged

    def _judge_again(self, late: TooOld, horizon: str) -> tuple[list[ScoreRow], list[SubjectChange]]:
        """Judge steps that lie before what the subject holds, because readings for them came late."""
        subject = late.subject
        outcome = _Outcome([], [])
        if subject.model is None:
            return [], []
        first = late.first
        rows, step_s = self._settings.recent_rows, self._rules.step_s
        while first <= late.last:
            last = min(first + rows // 2 + _SETTLING_ROWS, subject.grid.first - 1)
            past = load_subject(self._connection, subject.asset, subject.series, last, rows, step_s, horizon)
            past.model_id = subject.model_id
            held_from = time_of(past.grid.first, step_s)
            past.known = [
                k
                for k in anomalies_of_asset(self._connection, subject.asset.asset_id, held_from)
                if not k.anomaly.retracted and k.anomaly.since <= time_of(last, step_s)
            ]
            outcome.add(judge_steps(past, subject.model, first, last, self._rules, self._clock.now()))
            first = last + 1
        return outcome.scores, outcome.changes

    def _listen(self, latest: dict[str, datetime]) -> list[SubjectChange]:
        """Compare who is silent with what is recorded of silence."""
        now, changes = self._clock.now(), []
        heard = self._city.heard()
        silent = {
            asset_id: silent_series(
                series, latest[self._city.assets[asset_id].domain], now, self._settings.silent_samples
            )
            for asset_id, series in heard.items()
        }
        for asset_id, subject in self._city.subjects.items():
            domain = subject.asset.domain
            peers = [a for a in heard if self._city.assets[a].domain == domain]
            if not peers or feed_is_silent(sum(1 for a in peers if silent[a]), len(peers)):
                continue
            known = next((k for k in subject.known if k.anomaly.detector == SILENCE and not k.anomaly.ended_at), None)
            quiet, reference = silent.get(asset_id, []), min(latest[domain], now)
            if quiet:
                old = known.anomaly if known else None
                anomaly = silence_anomaly(subject.asset, quiet, reference, now, self._rules.open_below, old)
                changes.append(SubjectChange(subject, 0, Change(known.anomaly_id if known else None, anomaly)))
            elif known is not None:
                ended = replace(known.anomaly, ended_at=max(reference, known.anomaly.last_at))
                changes.append(SubjectChange(subject, 0, Change(known.anomaly_id, ended)))
        return changes

    def _commit(self, outcome: _Outcome, horizon: str, watermark: datetime | None) -> None:
        with self._connection.transaction():
            write_scores(self._connection, outcome.scores)
            written = [(change, self._write(change)) for change in outcome.changes]
            move_cursor(self._connection, CONSUMER, horizon, watermark)
        self._horizon = horizon
        for change, anomaly_id in written:
            self._remember(change, anomaly_id)

    def _write(self, change: SubjectChange) -> int:
        number, anomaly = change.change.anomaly_id, change.change.anomaly
        if number is None:
            return add_anomaly(self._connection, change.series_id or None, anomaly)
        revise_anomaly(self._connection, number, anomaly)
        return number

    def _remember(self, change: SubjectChange, anomaly_id: int) -> None:
        anomaly, subject = change.change.anomaly, change.subject
        old = next((k for k in subject.known if k.anomaly_id == anomaly_id), None)
        subject.known = [k for k in subject.known if k.anomaly_id != anomaly_id]
        held_from = time_of(subject.grid.first, self._rules.step_s)
        if not anomaly.retracted and (anomaly.ended_at is None or anomaly.ended_at >= held_from):
            subject.known.append(StoredAnomaly(anomaly_id, change.series_id or None, anomaly))
        action = _action(old, change.change)
        if action is not None:
            self._log.info(
                f"{subject.asset.name}: {anomaly.detector} {action.value.removeprefix('anomaly_')}",
                action,
                asset=subject.asset.name,
                detector=anomaly.detector,
                since=anomaly.since.isoformat(),
                p_value=anomaly.p_value,
                severity=anomaly.severity,
            )

    def _fit_tasks(self, until: dict[str, datetime]) -> list[FitTask]:
        tasks = []
        for subject in self._city.subjects.values():
            end = until.get(subject.asset.domain)
            if end is not None:
                task = fit_task(self._connection, subject, end, self._settings, self._rules, self._clock.now())
                tasks += [task] if task else []
        return tasks

    def _order_fits(self, latest: dict[str, datetime]) -> None:
        """Have due models fitted in the background; one order at a time, an asset at most once an hour."""
        if self._fits is not None:
            return
        tasks = []
        for asset_id, subject in self._city.subjects.items():
            watermark = self._watermark(subject.asset.domain, latest)
            if watermark is None or not is_due(subject, watermark, self._settings):
                continue
            if asset_id in self._asked and watermark - self._asked[asset_id] < timedelta(hours=1):
                continue
            self._asked[asset_id] = watermark
            task = fit_task(self._connection, subject, watermark, self._settings, self._rules, self._clock.now())
            tasks += [task] if task else []
        if tasks:
            self._fits = self._fitter.fit_later(tasks)

    def _take_over_fits(self) -> None:
        if self._fits is not None and self._fits.done():
            outcomes, self._fits = self._fits.result(), None
            self._install(outcomes)

    def _install(self, outcomes: Sequence[FitOutcome]) -> None:
        models = [outcome for outcome in outcomes if not isinstance(outcome, str)]
        for reason in (outcome for outcome in outcomes if isinstance(outcome, str)):
            self._log.error(f"a model could not be fitted: {reason}", Action.FIT_FAILED)
        for model in models:
            if not model.series:
                continue
            subject = self._city.subjects[model.asset_id]
            subject.model_id = record(self._connection, model, self._settings)
            subject.model = model
        if models:
            self._log.info(f"fitted models of {len(models)} assets", Action.MODELS_FITTED, assets=len(models))


def _action(old: StoredAnomaly | None, change: Change) -> Action | None:
    if change.anomaly_id is None:
        return Action.ANOMALY_OPENED
    if change.anomaly.retracted:
        return Action.ANOMALY_RETRACTED
    if change.anomaly.ended_at is not None and (old is None or old.anomaly.ended_at is None):
        return Action.ANOMALY_ENDED
    return None
