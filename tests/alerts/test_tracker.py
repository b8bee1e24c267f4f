import threading
from dataclasses import replace
from typing import Any

import pytest

import alerts.tracker
from core.anomaly import AnomalyKind
from core.errors import StoreUnavailableError
from store.arrivals import anomalies_since
from store.database import Connection, connect, transaction
from store.incidents import add_incident, change_incident, history_of, incidents, latest_incident, lock_asset
from store.judgements import StoredAnomaly, anomalies_of_incident
from tests.alerts.making import CALM_S, anomaly, at, opened, taken_back
from tests.alerts.storing import (
    CHANNELS,
    add_dma,
    engine_finds,
    engine_reaches,
    engine_revises,
    owned,
    tracker,
)
from tests.wait import wait_until

CALM_MIN = CALM_S / 60


def messages(connection: Connection, channel: str = "webhook") -> list[dict[str, Any]]:
    rows = connection.execute("select body from outbox where channel = %s order by outbox_id", [channel])
    return [body for (body,) in rows]


def changes(connection: Connection, incident_id: int) -> list[str]:
    return [line.change for line in history_of(connection, incident_id)]


def flow_anomaly(connection: Connection, since: float = 0, ended: float | None = None) -> StoredAnomaly:
    return owned(anomaly(since, ended), *add_dma(connection))


def test_an_anomaly_becomes_an_incident_with_history_and_one_message_for_each_channel(connection: Connection) -> None:
    stored = flow_anomaly(connection)
    number = engine_finds(connection, stored, at(6))
    assert tracker(connection).round() == 1
    (incident,) = incidents(connection, None, 10)
    assert (incident.asset, incident.state, incident.kind, incident.opened_at) == ("dma-1", "open", "asset", at(0))
    assert [a.anomaly_id for a in anomalies_of_incident(connection, incident.incident_id)] == [number]
    (line,) = history_of(connection, incident.incident_id)
    assert (line.actor, line.change, line.reason) == ("cityvigil", "opened", incident.explanation)
    for channel in CHANNELS:
        (body,) = messages(connection, channel)
        assert body["incident_id"] == incident.incident_id
        assert body["explanation"] == incident.explanation
        assert body["queue"] == "crews"
        assert body["data_quality"] == "no reading in the hour"
        assert body["model_versions"] == [stored.anomaly.model_version]
        assert body["drivers"][0]["metric"] == "flow"
        assert body["map_url"].startswith("https://www.openstreetmap.org/?mlat=46.76680&mlon=23.55710")
        assert body["page_url"].endswith(f"/#incident-{incident.incident_id}")
        assert channel in body["key"]


def test_a_round_without_news_changes_nothing(connection: Connection) -> None:
    engine_finds(connection, flow_anomaly(connection), at(6))
    tracking = tracker(connection)
    assert [tracking.round() for _ in range(3)] == [1, 0, 0]
    assert len(messages(connection)) == 1


def test_a_growing_anomaly_is_recorded_and_not_told_again(connection: Connection) -> None:
    stored = flow_anomaly(connection)
    number = engine_finds(connection, stored, at(6))
    tracking = tracker(connection)
    tracking.round()
    engine_revises(connection, number, replace(stored, anomaly=replace(stored.anomaly, severity=88.0)), at(12))
    assert tracking.round() == 1
    assert incidents(connection, None, 10)[0].severity == 88
    assert changes(connection, 1) == ["opened"]
    assert len(messages(connection)) == 1


@pytest.mark.parametrize("step", ["add_incident", "put_under", "record_change", "post", "move_cursor"])
def test_a_crash_anywhere_repeats_the_work_and_tells_nothing_twice(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    engine_finds(connection, flow_anomaly(connection), at(6))

    def crash(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(alerts.tracker, step, crash)
        with pytest.raises(KeyboardInterrupt):
            tracker(connection).round()
    committed = len(incidents(connection, None, 10))
    assert committed == (1 if step == "move_cursor" else 0)
    tracker(connection).round()
    assert len(incidents(connection, None, 10)) == 1
    assert changes(connection, incidents(connection, None, 10)[0].incident_id) == ["opened"]
    assert [len(messages(connection, channel)) for channel in CHANNELS] == [1, 1]


def test_it_resolves_when_the_engine_has_judged_the_calm(connection: Connection) -> None:
    stored = flow_anomaly(connection)
    number = engine_finds(connection, stored, at(6))
    tracking = tracker(connection)
    tracking.round()
    over = replace(stored, anomaly=replace(stored.anomaly, last_at=at(25), ended_at=at(30)))
    engine_revises(connection, number, over, at(31))
    tracking.round()
    engine_reaches(connection, at(30 + CALM_MIN - 1))
    assert tracking.round() == 0
    engine_reaches(connection, at(30 + CALM_MIN))
    assert tracking.round() == 1
    (incident,) = incidents(connection, None, 10)
    assert (incident.state, incident.resolved_at) == ("resolved", at(30))
    assert changes(connection, incident.incident_id) == ["opened", "resolved"]
    assert [m["change"] for m in messages(connection)] == ["opened", "resolved"]
    assert messages(connection)[1]["resolved_at"] == at(30).isoformat()
    assert tracking.round() == 0


def test_a_retracted_anomaly_takes_its_incident_back(connection: Connection) -> None:
    stored = flow_anomaly(connection)
    number = engine_finds(connection, stored, at(6))
    tracking = tracker(connection)
    tracking.round()
    engine_revises(connection, number, taken_back(stored), at(12))
    assert tracking.round() == 1
    assert incidents(connection, None, 10)[0].state == "resolved"
    assert "nothing was wrong" in messages(connection)[-1]["reason"]
    assert tracking.round() == 0


def test_a_relapse_reopens_the_same_incident_and_is_told(connection: Connection) -> None:
    stored = flow_anomaly(connection, 0, 30)
    engine_finds(connection, stored, at(31))
    tracking = tracker(connection)
    tracking.round()
    engine_reaches(connection, at(90))
    tracking.round()
    again = replace(
        stored,
        anomaly=replace(anomaly(100).anomaly, evidence=stored.anomaly.evidence, asset_id=stored.anomaly.asset_id),
    )
    engine_finds(connection, again, at(106))
    tracking.round()
    (incident,) = incidents(connection, None, 10)
    assert (incident.state, incident.resolved_at, incident.opened_at) == ("open", None, at(0))
    assert [m["change"] for m in messages(connection)] == ["opened", "resolved", "reopened"]
    assert len(anomalies_of_incident(connection, incident.incident_id)) == 2


def test_faults_that_were_over_long_ago_are_two_incidents_with_one_message_each(connection: Connection) -> None:
    asset_id, series_id = add_dma(connection)
    for since, ended in ((-2_000, -1_900), (-300, -240)):
        engine_finds(connection, owned(anomaly(since, ended), asset_id, series_id), at(0))
    assert tracker(connection).round() == 4
    found = incidents(connection, None, 10)
    assert [(i.opened_at, i.resolved_at) for i in found] == [(at(-300), at(-240)), (at(-2_000), at(-1_900))]
    assert [changes(connection, i.incident_id) for i in found] == [["opened", "resolved"]] * 2
    assert [(m["change"], m["opened_at"]) for m in messages(connection)] == [
        ("resolved", at(-2_000).isoformat()),
        ("resolved", at(-300).isoformat()),
    ]


def test_an_instrument_s_fault_goes_to_the_instruments_and_to_the_crews_once_it_is_more(connection: Connection) -> None:
    asset_id, series_id = add_dma(connection)
    silent = owned(anomaly(0, kind=AnomalyKind.SENSOR, detector="silence"), asset_id, series_id)
    engine_finds(connection, silent, at(6))
    tracking = tracker(connection)
    tracking.round()
    engine_finds(connection, owned(anomaly(-10, number=2), asset_id, series_id), at(12))
    tracking.round()
    assert [(m["change"], m["queue"]) for m in messages(connection)] == [
        ("opened", "instruments"),
        ("reclassified", "crews"),
    ]


def test_an_incident_that_a_person_has_ended_meanwhile_is_not_resolved_again(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = flow_anomaly(connection, 0, 30)
    engine_finds(connection, stored, at(31))
    tracking = tracker(connection)
    tracking.round()
    row = latest_incident(connection, stored.anomaly.asset_id)
    assert row is not None

    def ended_just_now(*_arguments: object) -> list[int]:
        change_incident(connection, replace(row, state="resolved", resolved_at=at(30)))
        return [row.asset_id]

    engine_reaches(connection, at(90))
    monkeypatch.setattr(alerts.tracker, "calming_assets", ended_just_now)
    assert tracking.round() == 0
    assert [m["change"] for m in messages(connection)] == ["opened"]


def test_what_the_engine_commits_during_a_round_does_not_look_like_calm(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = flow_anomaly(connection, 0, 30)
    number = engine_finds(connection, stored, at(31))
    tracking = tracker(connection)
    tracking.round()
    read = anomalies_since
    lasting = replace(stored, anomaly=replace(stored.anomaly, ended_at=None, last_at=at(85)))

    def overtaken(connection: Connection, after: str) -> tuple[str, set[int]]:
        found = read(connection, after)
        engine_revises(connection, number, lasting, at(90))
        return found

    monkeypatch.setattr(alerts.tracker, "anomalies_since", overtaken)
    tracking.round()
    monkeypatch.undo()
    tracking.round()
    assert [m["change"] for m in messages(connection)] == ["opened"]
    assert incidents(connection, None, 10)[0].calm_since is None


def test_two_trackers_make_one_incident(connection: Connection, database_url: str) -> None:
    engine_finds(connection, flow_anomaly(connection), at(6))
    with connect(database_url, "tests") as other:
        assert sorted([tracker(connection).round(), tracker(other).round()]) == [0, 1]
    assert len(messages(connection)) == 1


def test_a_tracker_waits_for_another_and_sees_what_it_has_opened(connection: Connection, database_url: str) -> None:
    stored = flow_anomaly(connection)
    engine_finds(connection, stored, at(6))
    changed: list[int] = []
    with connect(database_url, "tests") as other, connect(database_url, "tests") as watching:
        thread = threading.Thread(target=lambda: changed.append(tracker(other).round()))
        with transaction(connection):
            asset = lock_asset(connection, stored.anomaly.asset_id)
            thread.start()
            wait_until(lambda: waiting(watching, other.info.backend_pid), 30, "the tracker waits")
            add_incident(connection, opened(stored, asset=asset))
        thread.join(30)
    assert changed == [0]
    assert len(incidents(connection, None, 10)) == 1


def waiting(connection: Connection, pid: int) -> bool:
    query = "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s"
    row = connection.execute(query, [pid]).fetchone()
    return row == (True,)


def test_a_lost_connection_is_said_in_our_own_words(connection: Connection, database_url: str) -> None:
    engine_finds(connection, flow_anomaly(connection), at(6))
    with connect(database_url, "tests") as other:
        tracking = tracker(other)
        connection.execute("select pg_terminate_backend(%s)", [other.info.backend_pid])
        with pytest.raises(StoreUnavailableError):
            tracking.round()
