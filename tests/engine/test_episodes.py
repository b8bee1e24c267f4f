from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.anomaly import Anomaly, AnomalyKind
from engine.episodes import BEFORE, CALM_ROWS, Episode, find_episodes, reconcile
from store.judgements import StoredAnomaly

NAN = float("nan")
CALM, ODD, OPENS = 0.5, 0.03, 1e-7
OPEN_BELOW, CLOSE_BELOW = 5e-6, 0.05
START = datetime(2026, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)

p_value = st.sampled_from([CALM, ODD, OPENS, NAN])
p_value_rows = st.lists(p_value, max_size=25)


def array(values: list[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def found(values: list[float], *, open_before: bool = False) -> list[Episode]:
    return find_episodes(array(values), OPEN_BELOW, CLOSE_BELOW, open_before=open_before)


def naive(values: list[float], open_before: bool) -> list[Episode]:
    """Say the rule stretch by stretch: split at calms of enough judged rows, keep what opened."""
    judged = [(row, value) for row, value in enumerate(values) if not np.isnan(value)]
    episodes, is_open, streak = [], open_before, [BEFORE] if open_before else []
    calm: list[int] = []
    for row, value in judged:
        if value < CLOSE_BELOW:
            is_open, calm = is_open or value < OPEN_BELOW, []
            streak.append(row)
        elif not is_open:
            streak = []
        else:
            calm.append(row)
            if len(calm) == CALM_ROWS:
                episodes.append(Episode(streak[0], streak[-1], calm[0]))
                is_open, streak, calm = False, [], []
    return [*episodes, Episode(streak[0], streak[-1], None)] if is_open else episodes


@given(p_value_rows, st.booleans())
def test_hysteresis_agrees_with_the_rule_said_step_by_step(values: list[float], open_before: bool) -> None:
    assert found(values, open_before=open_before) == naive(values, open_before)


@pytest.mark.parametrize(
    ("values", "open_before", "episodes"),
    [
        ([ODD] * 9, False, []),
        ([ODD, ODD, OPENS, CALM], False, [Episode(0, 2, None)]),
        ([ODD, CALM, ODD, OPENS, CALM, CALM, CALM], False, [Episode(2, 3, 4)]),
        ([OPENS, CALM, CALM, ODD, CALM, NAN, CALM, CALM], False, [Episode(0, 3, 4)]),
        ([CALM, CALM, CALM], True, [Episode(BEFORE, BEFORE, 0)]),
        ([NAN, CALM], True, [Episode(BEFORE, BEFORE, None)]),
        ([CALM, ODD, CALM], True, [Episode(BEFORE, 1, None)]),
    ],
)
def test_episodes_by_hand(values: list[float], open_before: bool, episodes: list[Episode]) -> None:
    assert found(values, open_before=open_before) == episodes


def anomaly(first: int, last: int, ended: int | None, **other: object) -> Anomaly:
    made = Anomaly(
        asset_id=1,
        detector="prophet_band",
        kind=AnomalyKind.ASSET,
        since=START + first * STEP,
        last_at=START + last * STEP,
        ended_at=None if ended is None else START + ended * STEP,
        retracted=False,
        detected_at=START,
        p_value=1e-9,
        severity=50.0,
        score=3.0,
        threshold=OPEN_BELOW,
        model_version="one",
    )
    return replace(made, **other)  # type: ignore[arg-type] # tests name their fields


def stored(number: int, of: Anomaly) -> StoredAnomaly:
    return StoredAnomaly(number, None, of)


def anomalies_of(values: list[float]) -> list[Anomaly]:
    return [anomaly(e.first, e.last, e.ended, p_value=values[e.last]) for e in found(values)]


def applied(known: list[StoredAnomaly], now: list[Anomaly]) -> list[StoredAnomaly]:
    """Return what is recorded, and not retracted, once the changes have been written."""
    records = {k.anomaly_id: k for k in known}
    number = max(records, default=0)
    for change in reconcile(known, now, START):
        number += 1
        key = change.anomaly_id or number
        records[key] = stored(key, change.anomaly)
    return [k for k in records.values() if not k.anomaly.retracted]


@given(p_value_rows, p_value_rows)
def test_what_is_recorded_becomes_what_is_found_and_then_stays(before: list[float], after: list[float]) -> None:
    known = applied([], anomalies_of(before))
    now = anomalies_of(after)
    then = applied(known, now)
    assert sorted((k.anomaly.since, k.anomaly.last_at, k.anomaly.ended_at) for k in then) == [
        (a.since, a.last_at, a.ended_at) for a in now
    ]
    assert reconcile(then, now, START) == []


def test_late_data_opens_extends_and_retracts() -> None:
    known = [stored(7, anomaly(2, 4, 5)), stored(8, anomaly(20, 22, 23))]
    now = [anomaly(1, 6, 7), anomaly(10, 11, 12)]
    changes = reconcile(known, now, START)
    assert [(c.anomaly_id, c.anomaly.retracted) for c in changes] == [(7, False), (None, False), (8, True)]
    assert changes[0].anomaly == now[0]


def test_the_moment_of_detection_and_the_threshold_stay() -> None:
    old = anomaly(2, 4, None, detected_at=START + STEP, threshold=1e-4)
    (change,) = reconcile([stored(7, old)], [anomaly(2, 5, None)], START)
    assert (change.anomaly.detected_at, change.anomaly.threshold) == (old.detected_at, old.threshold)


def test_what_began_before_the_window_is_never_retracted() -> None:
    assert reconcile([stored(7, anomaly(-5, -2, -1))], [], START) == []


def test_joined_anomalies_keep_the_earlier_record() -> None:
    known = [stored(4, anomaly(8, 9, 10)), stored(9, anomaly(2, 3, 4))]
    changes = reconcile(known, [anomaly(2, 9, 10)], START)
    assert [(c.anomaly_id, c.anomaly.retracted) for c in changes] == [(9, False), (4, True)]


@pytest.mark.parametrize(("p_value_now", "version"), [(1e-9, "one"), (1e-12, "two")])
def test_another_models_word_counts_only_for_another_worst_moment(p_value_now: float, version: str) -> None:
    now = anomaly(2, 5, None, p_value=p_value_now, model_version="two", score=8.0)
    (change,) = reconcile([stored(7, anomaly(2, 4, None))], [now], START)
    assert change.anomaly.model_version == version
    assert change.anomaly.score == (3.0 if version == "one" else 8.0)
