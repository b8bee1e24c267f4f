from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alerts.decisions import (
    CHANGED,
    ENDED,
    EXTENDED,
    OPENED,
    RECLASSIFIED,
    REOPENED,
    RESOLVED,
    Decision,
    decide,
    kind_of,
)
from core.anomaly import AnomalyKind
from core.incident import IncidentState
from store.incidents import IncidentRow
from store.judgements import StoredAnomaly
from tests.alerts.making import (
    CALM_S,
    CITY,
    DMA,
    LAMP,
    REOPEN_S,
    SETTINGS,
    anomaly,
    at,
    decided,
    opened,
    part,
    resolved,
    settled,
    taken_back,
)

CALM_MIN, REOPEN_MIN = CALM_S / 60, REOPEN_S / 60
SENSOR, ASSET = AnomalyKind.SENSOR, AnomalyKind.ASSET


def test_nothing_wrong_opens_nothing() -> None:
    assert decided(None) is None
    assert decided(None, anomaly(retracted=True)) is None


def test_an_anomaly_opens_an_incident_from_its_start() -> None:
    decision = decided(None, anomaly(10, number=7, severity=40), anomaly(5, number=9, severity=60))
    assert decision is not None
    assert (decision.change, decision.told, set(decision.anomaly_ids)) == (OPENED, True, {7, 9})
    row = decision.incident
    assert (row.opened_at, row.calm_since, row.resolved_at, row.severity) == (at(5), None, None, 60)
    assert decision.reason == row.explanation


def test_what_has_not_changed_is_not_decided_again() -> None:
    lasting = anomaly()
    assert decided(opened(lasting), lasting) is None


def test_a_person_s_state_is_kept_when_the_data_changes() -> None:
    row = replace(opened(anomaly(severity=40)), state=IncidentState.ACKNOWLEDGED.value)
    decision = decided(row, anomaly(severity=70))
    assert decision is not None
    assert (decision.change, decision.told) == (CHANGED, False)
    assert (decision.incident.state, decision.incident.severity) == ("acknowledged", 70)


def test_severity_of_a_running_incident_does_not_fall() -> None:
    assert decided(opened(anomaly(severity=70)), anomaly(severity=40)) is None


@pytest.mark.parametrize(
    ("judged_until", "change"), [(None, None), (30 + CALM_MIN - 0.01, None), (30 + CALM_MIN, RESOLVED)]
)
def test_it_resolves_after_the_calm_and_not_before(judged_until: float | None, change: str | None) -> None:
    over = anomaly(0, 30)
    decision = decided(opened(over), over, judged_until=judged_until)
    assert (decision.change if decision else None) == change
    if decision:
        assert decision.incident.resolved_at == at(30)


def test_what_lasts_never_resolves() -> None:
    lasting, over = anomaly(0, number=1), anomaly(0, 5, number=2)
    assert decided(opened(lasting, over), lasting, over, judged_until=1e6) is None


@pytest.mark.parametrize(("minutes_after", "change"), [(REOPEN_MIN, REOPENED), (REOPEN_MIN + 0.1, OPENED)])
def test_a_relapse_reopens_within_the_window_only(minutes_after: float, change: str) -> None:
    over = anomaly(0, 30)
    row = resolved(over)
    decision = decided(row, over, anomaly(30 + minutes_after, number=2))
    assert decision is not None
    assert decision.change == change
    assert decision.incident.incident_id == (1 if change == REOPENED else 0)
    assert decision.incident.state == "open"
    assert decision.incident.resolved_at is None
    if change == REOPENED:
        assert decision.incident.opened_at == row.opened_at


def test_an_ended_incident_stays_ended_while_its_anomalies_stay_as_they_are() -> None:
    over = anomaly(0, 30)
    assert decided(resolved(over), over, judged_until=1e6) is None


def test_a_retracted_anomaly_is_taken_back_with_a_reason() -> None:
    lasting = anomaly()
    decision = decided(opened(lasting), taken_back(lasting))
    assert decision is not None
    assert (decision.change, decision.told) == (RESOLVED, True)
    assert decision.incident.state == "resolved"
    assert decision.incident.resolved_at == lasting.anomaly.since
    assert "nothing was wrong" in decision.reason
    assert decided(decision.incident, taken_back(lasting), judged_until=1e6) is None


def test_one_retracted_anomaly_of_two_leaves_the_incident_open() -> None:
    first, second = anomaly(0, number=1), anomaly(10, number=2)
    decision = decided(opened(first, second), taken_back(first), second)
    assert decision is not None
    assert decision.change == CHANGED
    assert decision.incident.opened_at == at(10)


def test_a_dismissed_incident_stays_dismissed_while_what_was_looked_at_lasts() -> None:
    lasting = anomaly()
    row = replace(opened(lasting), state=IncidentState.DISMISSED.value, resolved_at=at(60), updated_at=at(60))
    assert decided(row, lasting, judged_until=90) is None
    decision = decided(row, lasting, anomaly(70, number=2))
    assert decision is not None
    assert (decision.change, decision.anomaly_ids) == (OPENED, (2,))


def test_faults_a_day_apart_that_are_found_together_are_two_incidents_each_told_once() -> None:
    first, second = anomaly(-2_000, -1_900, number=1), anomaly(-300, -240, number=2)
    incidents, decisions = settled(None, [second, first], judged_until=0)
    assert [(i.opened_at, i.resolved_at, i.state) for i in incidents] == [
        (at(-2_000), at(-1_900), "resolved"),
        (at(-300), at(-240), "resolved"),
    ]
    assert [(d.change, d.told) for d in decisions] == [(OPENED, False), (RESOLVED, True)] * 2
    assert [d.anomaly_ids for d in decisions if d.anomaly_ids] == [(1,), (2,)]


def test_an_old_fault_and_one_that_lasts_are_not_mixed_up() -> None:
    incidents, decisions = settled(None, [anomaly(-2_000, -1_900, number=1), anomaly(-10, number=2)], judged_until=0)
    assert [i.state for i in incidents] == ["resolved", "open"]
    assert incidents[1].opened_at == at(-10)
    assert [d.change for d in decisions if d.told] == [RESOLVED, OPENED]


def test_late_data_that_moves_the_end_of_what_is_over_is_recorded_and_not_told() -> None:
    row = resolved(anomaly(0, 30))
    incidents, decisions = settled(row, [anomaly(0, 60)], judged_until=600)
    assert [(d.change, d.told) for d in decisions] == [(EXTENDED, False)]
    assert (incidents[0].state, incidents[0].resolved_at) == ("resolved", at(60))


def flat(since: float, *, series_id: int = 1, metric: str = "active_power") -> StoredAnomaly:
    evidence = part(metric, 0.0, None, "W", series_id)
    return anomaly(since, None, evidence, number=50, kind=SENSOR, detector="flat_line", asset_id=2)


def test_a_lamp_that_is_out_stays_a_lamp_that_is_out_when_its_zero_turns_flat() -> None:
    dark = anomaly(0, None, part("active_power", 0.0, (80, 90, 100), "W"), asset_id=2)
    assert kind_of([dark, flat(60)]) is ASSET
    row = opened(dark, asset=LAMP)
    assert decided(row, dark, flat(60), asset=LAMP) is None


def test_a_stuck_sensor_that_leaves_its_band_later_stays_a_sensor_fault() -> None:
    stuck = flat(0, metric="pressure_3")
    drifting = anomaly(90, None, part("pressure_3", 41.0, (44, 45, 46), "m[H2O]"), number=2)
    assert kind_of([stuck, drifting]) is SENSOR


def test_a_stuck_sensor_beside_series_that_are_odd_too_is_a_fault_of_the_thing() -> None:
    stuck = flat(0, metric="pressure_3")
    parts = (part("flow", 90.0, series_id=2, share=0.7), part("pressure_3", 41.0, series_id=1, share=0.3))
    assert kind_of([stuck, anomaly(30, None, *parts, number=2)]) is ASSET


@pytest.mark.parametrize(("before", "after"), [(SENSOR, ASSET), (ASSET, SENSOR)])
def test_a_changed_kind_is_told_because_another_queue_has_to_know(before: AnomalyKind, after: AnomalyKind) -> None:
    row = opened(anomaly(kind=before))
    decision = decided(row, anomaly(kind=after))
    assert decision is not None
    assert (decision.change, decision.told, decision.incident.kind) == (RECLASSIFIED, True, after.value)


class Incidents(RuleBasedStateMachine):
    """One asset's anomalies come, last, end, are revised and taken back, while the engine's watermark advances."""

    def __init__(self) -> None:
        super().__init__()
        self.minute = 0
        self.anomalies: list[StoredAnomaly] = []
        self.incidents: list[IncidentRow] = []
        self.told: dict[int, list[str]] = {}

    @rule(minutes=st.integers(1, 400))
    def time_passes(self, minutes: int) -> None:
        self.minute += minutes

    @rule(back=st.integers(0, 3_000), lasts=st.none() | st.integers(5, 300), kind=st.sampled_from(AnomalyKind))
    def an_anomaly_is_found(self, back: int, lasts: int | None, kind: AnomalyKind) -> None:
        since = self.minute - back
        ended = None if lasts is None or since + lasts > self.minute else since + lasts
        series = part(series_id=len(self.anomalies) % 3 + 1)
        self.anomalies.append(anomaly(since, ended, series, number=len(self.anomalies) + 1, kind=kind))

    @precondition(lambda self: self.anomalies)
    @rule(which=st.integers(0, 50))
    def an_anomaly_ends(self, which: int) -> None:
        index = which % len(self.anomalies)
        old = self.anomalies[index]
        end = at(self.minute + 1)
        if old.anomaly.ended_at is None:
            self.anomalies[index] = replace(old, anomaly=replace(old.anomaly, ended_at=end, last_at=at(self.minute)))
        self.minute += 1

    @precondition(lambda self: self.anomalies)
    @rule(which=st.integers(0, 50))
    def an_anomaly_is_taken_back(self, which: int) -> None:
        index = which % len(self.anomalies)
        self.anomalies[index] = taken_back(self.anomalies[index])

    @rule()
    def alerts_look(self) -> None:
        for _ in range(200):
            if (decision := self._decide()) is None:
                return
            self._apply(decision)
        raise AssertionError("decisions do not come to an end")

    def _decide(self) -> Decision | None:
        latest = self.incidents[-1] if self.incidents else None
        return decide(DMA, latest, self.anomalies, at(self.minute), SETTINGS, CITY, at(self.minute))

    def _apply(self, decision: Decision) -> None:
        row = decision.incident
        if row.incident_id == 0:
            assert decision.change == OPENED
            row = replace(row, incident_id=len(self.incidents) + 1)
            self.incidents.append(row)
            self.told[row.incident_id] = []
        else:
            assert decision.change != OPENED
            self._check_step(self.incidents[-1], decision)
            self.incidents[-1] = row
        if decision.told:
            self.told[row.incident_id].append(decision.change)

    def _check_step(self, before: IncidentRow, decision: Decision) -> None:
        after = decision.incident
        was_ended = before.state in ENDED
        assert was_ended == (decision.change in {REOPENED, EXTENDED})
        if decision.change == RESOLVED and "normal again" in decision.reason:
            assert after.calm_since is not None
            assert at(self.minute) - after.calm_since >= timedelta(seconds=CALM_S)
            reaching = [a for a in self.anomalies if not a.anomaly.retracted and a.anomaly.ended_at is None]
            assert not [a for a in reaching if a.anomaly.since <= after.calm_since]

    @invariant()
    def at_most_one_incident_runs_and_it_is_the_latest(self) -> None:
        assert all(incident.state in ENDED for incident in self.incidents[:-1])

    @invariant()
    def an_incident_is_ended_exactly_when_it_has_an_end(self) -> None:
        for incident in self.incidents:
            assert (incident.state in ENDED) == (incident.resolved_at is not None)
            assert incident.resolved_at is None or incident.resolved_at >= incident.opened_at

    @invariant()
    def nothing_is_told_twice(self) -> None:
        for told in self.told.values():
            plain = [change for change in told if change != RECLASSIFIED]
            assert all(one != other for one, other in pairwise(plain))
            assert OPENED not in told[1:]


Incidents.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestIncidents = Incidents.TestCase
