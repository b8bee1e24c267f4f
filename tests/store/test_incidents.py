from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import StoreError
from store.database import Connection, connect, transaction
from store.incidents import (
    IncidentRow,
    OutboxCount,
    add_incident,
    calming_assets,
    change_incident,
    due_messages,
    history_of,
    incidents,
    latest_incident,
    mark_delayed,
    mark_sent,
    one_incident,
    outbox_counts,
    post,
    put_under,
    record_change,
    unended_by_domain,
)
from store.judgements import add_anomaly, anomalies_of_incident
from tests.store.making import START, register
from tests.store.test_judgements import anomaly_of

HOUR = timedelta(hours=1)


def incident_of(asset_id: int) -> IncidentRow:
    return IncidentRow(
        incident_id=0,
        asset_id=asset_id,
        asset="north",
        domain="water",
        asset_kind="dma",
        zone="",
        latitude=None,
        longitude=None,
        kind="asset",
        state="open",
        opened_at=START,
        updated_at=START,
        calm_since=None,
        resolved_at=None,
        severity=50.0,
        explanation="too much flow",
    )


@pytest.fixture
def asset_id(connection: Connection) -> int:
    return register(connection, "north")[0]


@pytest.fixture
def incident(connection: Connection, asset_id: int) -> IncidentRow:
    return replace(incident_of(asset_id), incident_id=add_incident(connection, incident_of(asset_id)))


def test_an_incident_comes_back_with_what_the_registry_says(connection: Connection, incident: IncidentRow) -> None:
    assert one_incident(connection, incident.incident_id) == incident
    assert latest_incident(connection, incident.asset_id) == incident
    assert one_incident(connection, -1) is None
    assert latest_incident(connection, -1) is None


@pytest.mark.parametrize("state", ["open", "acknowledged", "in_progress"])
def test_an_asset_has_one_unended_incident(connection: Connection, incident: IncidentRow, state: str) -> None:
    change_incident(connection, replace(incident, state=state))
    with pytest.raises(StoreError, match="incident_unended"):
        add_incident(connection, incident)


@pytest.mark.parametrize("state", ["resolved", "dismissed"])
def test_an_ended_incident_makes_room(connection: Connection, incident: IncidentRow, state: str) -> None:
    change_incident(connection, replace(incident, state=state, resolved_at=START + HOUR))
    second = add_incident(connection, incident)
    assert second != incident.incident_id
    latest = latest_incident(connection, incident.asset_id)
    assert latest is not None
    assert latest.incident_id == second
    assert [i.incident_id for i in incidents(connection, None, 9)] == [second, incident.incident_id]
    assert [i.incident_id for i in incidents(connection, [state], 9)] == [incident.incident_id]
    assert incidents(connection, [], 9) == []
    assert unended_by_domain(connection) == {"water": 1}


def test_calm_incidents_are_found_when_they_have_been_calm_long_enough(
    connection: Connection, incident: IncidentRow
) -> None:
    assert calming_assets(connection, START + 9 * HOUR) == []
    change_incident(connection, replace(incident, calm_since=START + HOUR))
    assert calming_assets(connection, START + HOUR) == [incident.asset_id]
    assert calming_assets(connection, START) == []
    change_incident(connection, replace(incident, calm_since=START + HOUR, state="resolved"))
    assert calming_assets(connection, START + HOUR) == []


def test_anomalies_are_put_under_an_incident_once(connection: Connection, incident: IncidentRow) -> None:
    numbers = [
        add_anomaly(connection, None, anomaly_of(incident.asset_id, severity=severity)) for severity in (10.0, 90.0)
    ]
    put_under(connection, incident.incident_id, numbers[:1])
    put_under(connection, incident.incident_id, numbers)
    put_under(connection, incident.incident_id, [])
    assert [k.anomaly_id for k in anomalies_of_incident(connection, incident.incident_id)] == numbers[::-1]


def test_history_is_told_from_the_beginning(connection: Connection, incident: IncidentRow) -> None:
    record_change(connection, incident.incident_id, START + HOUR, "crew", "acknowledged", "on my way")
    record_change(connection, incident.incident_id, START, "clock set back", "resolved", "")
    told = history_of(connection, incident.incident_id)
    assert [(c.actor, c.change, c.reason) for c in told] == [
        ("crew", "acknowledged", "on my way"),
        ("clock set back", "resolved", ""),
    ]


def test_the_same_message_is_posted_once(connection: Connection, incident: IncidentRow) -> None:
    for text in ("first", "second"):
        post(connection, "key", incident.incident_id, "webhook", {"text": text}, START)
    (message,) = due_messages(connection, START, 9)
    assert (message.idempotency_key, message.body, message.attempts) == ("key", {"text": "first"}, 0)


def test_a_message_is_due_until_it_is_sent_or_given_up(connection: Connection, incident: IncidentRow) -> None:
    for key in ("a", "b", "c"):
        post(connection, key, incident.incident_id, "webhook", {}, START)
    assert due_messages(connection, START - HOUR, 9) == []
    a, b, c = due_messages(connection, START, 9)
    mark_sent(connection, a.outbox_id, START)
    mark_delayed(connection, b.outbox_id, START + HOUR, None, "busy")
    mark_delayed(connection, c.outbox_id, START, START, "gone")
    assert due_messages(connection, START, 9) == []
    (again,) = due_messages(connection, START + HOUR, 9)
    assert (again.outbox_id, again.attempts) == (b.outbox_id, 1)
    assert outbox_counts(connection) == [OutboxCount("webhook", waiting=1, sent=1, failed=1)]


def test_two_senders_never_hold_the_same_message(
    connection: Connection, database_url: str, incident: IncidentRow
) -> None:
    for key in ("a", "b", "c"):
        post(connection, key, incident.incident_id, "webhook", {}, START)
    with connect(database_url, "other") as other, transaction(connection), transaction(other):
        mine = {m.idempotency_key for m in due_messages(connection, START, 2)}
        theirs = {m.idempotency_key for m in due_messages(other, START, 9)}
    assert (mine, theirs) == ({"a", "b"}, {"c"})
