"""Judges what lies further back than is held in memory: late readings, and what an engine at rest has missed."""

from collections.abc import Sequence
from datetime import datetime

from engine.asset_model import LOOKBACK_ROWS, AssetModel
from engine.city import TooOld
from engine.episodes import CALM_ROWS
from engine.judging import AssetChange, Rules, judge_steps
from engine.silence import DETECTOR as SILENCE
from engine.subject import Subject, load_subject, time_of
from store.database import Connection
from store.judgements import ScoreRow, StoredAnomaly, anomalies_of_asset


def judge_past(
    connection: Connection,
    subject: Subject,
    model: AssetModel,
    late: TooOld,
    sealed: int,
    horizon: str,
    rules: Rules,
    now: datetime,
) -> tuple[list[ScoreRow], list[AssetChange], int]:
    """Judge the steps that late readings have changed, and all that hangs on them.

    A score depends on what came before it and an anomaly on what comes after it. So the look reaches back far enough
    for the first score, and goes on until no anomaly is left that reaches beyond its end; where it comes to what the
    subject holds, it goes on to the last step that may be judged.

    Parameters
    ----------
    sealed
        Last step that may be judged; not before `late.first`.
    horizon
        Transaction horizon up to which readings are taken in.

    Returns
    -------
    Scores and changes to write, and the last step that was judged.
    """
    last = late.last + LOOKBACK_ROWS + CALM_ROWS
    while True:
        last = sealed if last >= subject.grid.first else min(last, sealed)
        steps = last - late.first + LOOKBACK_ROWS + 1
        past = load_subject(connection, subject.asset, subject.series, last, steps, rules.step_s, horizon)
        past.model_id = subject.model_id
        past.known = _recorded(connection, past, rules.step_s)
        rows, changes = judge_steps(past, model, late.first, last, rules, now)
        if last == sealed:
            subject.adopt(past)
            return rows, changes, last
        if _is_settled(past.known, changes, time_of(last, rules.step_s)):
            return rows, changes, last
        last += steps


def _recorded(connection: Connection, past: Subject, step_s: int) -> list[StoredAnomaly]:
    begin, end = time_of(past.grid.first, step_s), time_of(past.grid.last, step_s)
    return [
        k
        for k in anomalies_of_asset(connection, past.asset.asset_id, begin)
        if not k.anomaly.retracted and k.anomaly.since <= end and k.anomaly.detector != SILENCE
    ]


def _is_settled(known: Sequence[StoredAnomaly], changes: Sequence[AssetChange], end: datetime) -> bool:
    """Return whether every anomaly, as it is to be recorded, has ended by the end of the look."""
    changed = {change.change.anomaly_id for change in changes}
    anomalies = [k.anomaly for k in known if k.anomaly_id not in changed]
    anomalies += [change.change.anomaly for change in changes if not change.change.anomaly.retracted]
    return all(a.ended_at is not None and a.ended_at <= end for a in anomalies)
