"""What becomes of a batch of messages, without a broker."""

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.errors import StoreError
from core.message import Message
from core.quality import QualityFlag, gross_range_test
from core.reading import Reading
from core.settings import IngestSettings
from ingest.batch import arrival_quality, microseconds, sort_out
from ingest.committer import Committer, Part, commit_messages, parts_of
from ingest.directory import Directory, SeriesTable, learn
from ingest.letters import storable
from ingest.understanding import understand
from store.batches import latest_dead_letters
from store.copying import ReadingColumns
from store.database import Connection
from store.registry import all_series
from tests.ingest.making import ARRIVAL, account, message, reading, reasons, stored_values

SETTINGS = IngestSettings()
LIMITS = st.none() | st.integers(-5, 5).map(float)
FRESH = count()
"""Names that no other example of the same database has used."""


@given(rows=st.lists(st.tuples(st.floats(-9, 9), LIMITS, LIMITS), max_size=20))
def test_quality_on_arrival_is_qartods_gross_range_test_of_each_reading(
    rows: list[tuple[float, float | None, float | None]],
) -> None:
    values = np.array([v for v, _, _ in rows], dtype=np.float64)
    table = SeriesTable(
        np.arange(len(rows), dtype=np.int32),
        np.array([lower for _, lower, _ in rows], dtype=np.float64),
        np.array([upper for _, _, upper in rows], dtype=np.float64),
    )
    expected = [int(gross_range_test(np.array([v]), lower, upper)[0]) for v, lower, upper in rows]
    assert arrival_quality(values, np.arange(len(rows), dtype=np.intp), table).tolist() == expected


@given(keys=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), max_size=40))
def test_the_first_value_of_a_key_counts_and_another_contradicts_it(keys: list[tuple[int, int, int]]) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    readings = [Reading(s, at + timedelta(hours=t), float(v), QualityFlag.GOOD, at) for s, t, v in keys]
    first, conflicting = sort_out(ReadingColumns.of(readings))
    values: dict[tuple[int, int], int] = {}
    for index, (series, time, value) in enumerate(keys):
        known = (series, time) in values
        assert first[index] == (not known)
        assert conflicting[index] == (known and values[series, time] != value)
        values.setdefault((series, time), value)


@given(time=st.datetimes(timezones=st.just(UTC)))
def test_times_keep_their_microseconds(time: datetime) -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds(time)) == time


@dataclass
class Model:
    """Plain bookkeeping of what the store must come to hold."""

    values: dict[tuple[str, str, datetime], float] = field(default_factory=dict)
    events: set[tuple[str, str, datetime]] = field(default_factory=set)
    conflicts: Counter[tuple[str, str, datetime, float]] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, kind: str, device: str, metrics: dict[str, float], at: datetime, event: bool) -> None:
        self.counts["received"] += 1
        if kind in {"truncated", "unknown_topic", "wrong_type", "too_old", "wrong_unit"}:
            self.counts["rejected"] += 1
        elif kind == "stale":
            self.counts["stale_retained"] += 1
        elif not metrics and not event:
            self.counts["without_reading"] += 1
        else:
            self.counts["accepted"] += 1
            self._store(device, metrics, at, event)

    def _store(self, device: str, metrics: dict[str, float], at: datetime, event: bool) -> None:
        for metric, value in metrics.items():
            self.counts["decoded"] += 1
            first = self.values.setdefault((device, metric, at), value)
            if first != value:
                self.conflicts[device, metric, at, value] += 1
                self.counts["conflict"] += 1
            elif self.counts[f"{device}/{metric}/{at}"]:
                self.counts["duplicate"] += 1
            else:
                self.counts["stored"] += 1
            self.counts[f"{device}/{metric}/{at}"] += 1
        if event:
            new = (device, "alarm", at) not in self.events
            self.events.add((device, "alarm", at))
            self.counts["events_stored" if new else "events_duplicate"] += 1


KINDS = (
    "good",
    "good",
    "good",
    "retained",
    "truncated",
    "unknown_topic",
    "wrong_type",
    "too_old",
    "stale",
    "wrong_unit",
)
STEPS = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from(["a", "b"]),
    st.dictionaries(st.sampled_from(["flow", "level"]), st.integers(0, 2).map(float), max_size=2),
    st.integers(0, 2),
    st.booleans(),
)


def encoded(kind: str, device: str, metrics: dict[str, float], at: datetime, event: bool) -> Message:
    units = {"flow": "m3/h", "level": "m"}
    content: dict[str, Any] = {"events": [{"kind": "alarm"}]} if event else {}
    time = None if kind == "stale" else at - timedelta(days=500) if kind == "too_old" else at
    entries = [reading(metric, value, units[metric]) for metric, value in metrics.items()]
    if kind == "wrong_unit":
        entries.append(reading("flow", 1.0, "kg"))
    if kind in {"stale", "too_old"}:
        entries.append(reading("level", 1.0, "m"))
    good = message(device, *entries, time=time, retained=kind in {"retained", "stale"}, **content)
    if kind == "truncated":
        return Message(good.topic, good.payload[:-1], ARRIVAL)
    if kind == "unknown_topic":
        return Message("elsewhere/" + good.topic, good.payload, ARRIVAL)
    if kind == "wrong_type":
        return Message(good.topic, b'{"readings": [{"metric": 7, "value": 1, "unit": ""}]}', ARRIVAL)
    return good


def summed(connection: Connection) -> Counter[str]:
    row = connection.execute(
        "select sum(received), sum(accepted), sum(without_reading), sum(rejected), sum(stale_retained),"
        " sum(quarantined), sum(decoded), sum(stored), sum(duplicate), sum(conflict), sum(events_stored),"
        " sum(events_duplicate) from feed_account"
    ).fetchone()
    names = (
        "received", "accepted", "without_reading", "rejected", "stale_retained", "quarantined", "decoded", "stored",
        "duplicate", "conflict", "events_stored", "events_duplicate",
    )  # fmt: skip
    return Counter({name: int(value or 0) for name, value in zip(names, row or [], strict=True)})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(STEPS, max_size=12), min_size=1, max_size=4))
@example(batches=[[("good", "a", {"flow": 1.0}, 0, False), ("good", "a", {"flow": 2.0}, 0, False)]] * 2)
def test_the_account_closes_and_the_first_value_stays_whatever_comes(
    connection: Connection, batches: list[list[tuple[str, str, dict[str, float], int, bool]]]
) -> None:
    run = next(FRESH)
    model, before = Model(), summed(connection)
    kept = len(reasons(connection))
    # A first value in the usual unit, so that the unit of each series does not depend on what is drawn.
    seeds = [
        message(f"{run}-{device}", reading("flow", 0.5), reading("level", 0.5, "m"), time=ARRIVAL - timedelta(days=1))
        for device in "ab"
    ]
    commit_messages(connection, seeds, SETTINGS)
    committer = Committer(SETTINGS)
    for batch in batches:
        steps = [(k, f"{run}-{d}", m, ARRIVAL + timedelta(minutes=t), e) for k, d, m, t, e in batch]
        for step in steps:
            model.take(*step)
        committer.commit(connection, parts_of([encoded(*step) for step in steps]))
    counted = summed(connection)
    counted.subtract(before)
    counted.subtract({"received": 2, "accepted": 2, "decoded": 4, "stored": 4})
    assert {name: counted[name] for name in counted} == {name: model.counts[name] for name in counted}
    mine = {(a, m, t): v for a, m, t, v in stored_values(connection) if a.startswith(f"{run}-") and t >= ARRIVAL}
    assert mine == model.values
    assert len(reasons(connection)) - kept == model.counts["rejected"]
    contradictions = connection.execute(
        "select a.name, s.metric, c.time, c.value from reading_conflict c join series s using (series_id)"
        " join asset a using (asset_id)"
    ).fetchall()
    assert Counter(row for row in contradictions if row[0].startswith(f"{run}-")) == model.conflicts


def test_what_cannot_be_taken_is_kept_with_its_reason_and_the_rest_is_stored(connection: Connection) -> None:
    good = [message("d", reading(value=float(n)), time=ARRIVAL + timedelta(seconds=n)) for n in range(6)]
    topic = good[0].topic
    bad = [
        Message(topic, good[0].payload[:-5], ARRIVAL),
        Message(topic, b'{"time": 5, "readings": []}', ARRIVAL),
        Message("nobody/knows/\x01this", b"\x00\xff", ARRIVAL),
        Message(topic, b"[" * 1_000_000, ARRIVAL),
        message("d", reading(), time="1970-01-01T00:00:00Z"),
        message("d", reading(), time="2099-01-01T00:00:00Z"),
        Message("cityvigil/v9/x", b"{}", ARRIVAL),
    ]
    mixed = [m for pair in zip(good, bad, strict=False) for m in pair] + bad[6:]
    commit_messages(connection, mixed, SETTINGS)
    kept = connection.execute("select reason, state, topic, payload, received_at from dead_letter").fetchall()
    assert sorted(kept) == sorted(
        [
            ("malformed_payload", "rejected", topic, bad[0].payload, ARRIVAL),
            ("wrong_type", "rejected", topic, bad[1].payload, ARRIVAL),
            ("unknown_topic", "rejected", "nobody/knows/\x01this", b"\x00\xff", ARRIVAL),
            ("too_large", "rejected", topic, bad[3].payload, ARRIVAL),
            ("time_out_of_window", "rejected", topic, bad[4].payload, ARRIVAL),
            ("time_out_of_window", "rejected", topic, bad[5].payload, ARRIVAL),
            ("malformed_topic", "rejected", "cityvigil/v9/x", b"{}", ARRIVAL),
        ]
    )
    assert [v for *_, v in stored_values(connection)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert all(letter.detail for letter in latest_dead_letters(connection, 10))
    assert (account(connection).received, account(connection).rejected) == (12, 6)
    assert (account(connection, "unknown").received, account(connection, "unknown").rejected) == (1, 1)


def test_a_nul_in_a_topic_poisons_nothing(connection: Connection) -> None:
    commit_messages(connection, [Message("nobody/\x00", b"x", ARRIVAL), message("d", reading())], SETTINGS)
    assert latest_dead_letters(connection, 1)[0].topic == "nobody/\ufffd"
    assert len(stored_values(connection)) == 1


@given(text=st.text(st.characters(exclude_categories=[]), max_size=20))
def test_stored_text_is_text_that_postgresql_can_hold(text: str) -> None:
    kept = storable(text)
    assert "\x00" not in kept
    kept.encode()
    assert len(kept) == len(text)
    assert all(b in {a, "\ufffd"} for a, b in zip(text, kept, strict=True))


def test_the_message_that_the_database_refuses_stands_alone(connection: Connection) -> None:
    connection.execute("alter table reading add check (value <> 666)")
    connection.execute("alter table event add check (kind <> 'devil')")
    messages = [message("d", reading(value=float(n)), time=ARRIVAL - timedelta(seconds=n)) for n in range(665, 700)]
    messages.append(message("d", time=ARRIVAL, events=[{"kind": "devil"}]))
    commit_messages(connection, messages, SETTINGS)
    assert reasons(connection) == [("rejected", "refused_by_store")] * 2
    assert sorted(v for *_, v in stored_values(connection)) == [665.0, *map(float, range(667, 700))]
    counted = account(connection)
    assert (counted.received, counted.accepted, counted.rejected, counted.stored) == (36, 34, 2, 34)
    assert "check" in latest_dead_letters(connection, 1)[0].detail


def test_nothing_is_dropped_when_not_even_a_dead_letter_can_be_kept(connection: Connection) -> None:
    connection.execute("alter table reading add check (value <> 666)")
    connection.execute("drop table dead_letter")
    parts = parts_of([message("d", reading(value=666.0)), message("d", reading("level", 1.0, "m"))])
    with pytest.raises(StoreError):
        Committer(SETTINGS).commit(connection, parts)
    assert sum(len(part.messages) for part in parts) == 2


def test_a_part_that_was_committed_without_our_knowing_is_not_committed_again(connection: Connection) -> None:
    messages = [
        message("d", reading(), time=ARRIVAL),
        message("d", reading("level", 2.0, "m"), duplicate=True),
        Message("nobody", b"", ARRIVAL),
    ]
    parts = parts_of(messages)
    again = deque(parts)
    Committer(SETTINGS).commit(connection, parts)
    before = summed(connection), reasons(connection), stored_values(connection)
    Committer(SETTINGS).commit(connection, again)
    assert (summed(connection), reasons(connection), stored_values(connection)) == before
    assert not again


def test_a_redelivered_message_without_a_time_is_recognised(connection: Connection) -> None:
    committer = Committer(SETTINGS)
    later = ARRIVAL + timedelta(hours=1)
    first = message("d", reading(value=7.0), events=[{"kind": "alarm"}])
    again = message("d", reading(value=7.0), events=[{"kind": "alarm"}], received_at=later, duplicate=True)
    committer.commit(connection, parts_of([first]))
    committer.commit(connection, parts_of([again]))
    committer.commit(connection, parts_of([again, again]))
    counted = account(connection)
    assert stored_values(connection) == [("d", "flow", ARRIVAL, 7.0)]
    assert (counted.accepted, counted.stored, counted.duplicate, counted.events_duplicate) == (4, 1, 3, 3)


def test_a_redelivery_within_the_same_batch_is_recognised(connection: Connection) -> None:
    later = ARRIVAL + timedelta(seconds=5)
    pair = [message("d", reading()), message("d", reading(), received_at=later, duplicate=True)]
    commit_messages(connection, pair, SETTINGS)
    assert [time for _, _, time, _ in stored_values(connection)] == [ARRIVAL]


@pytest.mark.parametrize(
    ("difference", "stored"),
    [
        ({"duplicate": False}, 2),
        ({"received_at": ARRIVAL + timedelta(days=2), "duplicate": True}, 2),
        ({"received_at": ARRIVAL + timedelta(hours=23), "duplicate": True}, 1),
    ],
    ids=["not flagged", "after the window", "within the window"],
)
def test_the_same_bytes_count_again_unless_the_broker_repeats_them_in_time(
    connection: Connection, difference: dict[str, Any], stored: int
) -> None:
    later: dict[str, Any] = {"received_at": ARRIVAL + timedelta(seconds=1), **difference}
    commit_messages(connection, [message("d", reading())], SETTINGS)
    commit_messages(connection, [message("d", reading(), **later)], SETTINGS)
    assert len(stored_values(connection)) == stored


def test_the_same_bytes_after_the_window_within_one_batch_count_again(connection: Connection) -> None:
    later = ARRIVAL + timedelta(seconds=SETTINGS.redelivery_window_s + 1)
    pair = [message("d", reading()), message("d", reading(), received_at=later, duplicate=True)]
    commit_messages(connection, pair, SETTINGS)
    assert [time for _, _, time, _ in stored_values(connection)] == [ARRIVAL, later]


def test_a_redelivery_that_was_never_seen_is_news(connection: Connection) -> None:
    commit_messages(connection, [message("d", reading(), duplicate=True)], SETTINGS)
    assert account(connection).stored == 1


def test_a_dead_letter_that_comes_again_is_counted_but_kept_once(connection: Connection) -> None:
    bad = Message("nobody", b"x", ARRIVAL)
    repeated = Message("nobody", b"x", ARRIVAL + timedelta(minutes=1), duplicate=True)
    retained = Message("nobody", b"x", ARRIVAL + timedelta(minutes=2), retained=True)
    for item in (bad, repeated, retained):
        commit_messages(connection, [item], SETTINGS)
    assert (account(connection, "unknown").rejected, len(reasons(connection))) == (3, 1)
    commit_messages(connection, [bad], SETTINGS)
    assert len(reasons(connection)) == 2


def test_a_retained_message_is_news_only_if_it_says_when_it_was(connection: Connection) -> None:
    timed = message("d", reading(value=1.0), time=ARRIVAL, retained=True)
    timeless = message("d", reading(value=2.0), retained=True)
    commit_messages(connection, [timed, timed, timeless], SETTINGS)
    counted = account(connection)
    assert (counted.accepted, counted.stored, counted.duplicate, counted.stale_retained) == (2, 1, 1, 1)
    assert counted.latest_arrival_at is None


def test_values_are_converted_into_the_unit_of_their_series(connection: Connection) -> None:
    commit_messages(
        connection,
        [
            message("d", reading("level", 2.0, "m"), time=ARRIVAL),
            message("d", reading("level", 250.0, "cm"), time=ARRIVAL + timedelta(seconds=1)),
        ],
        SETTINGS,
    )
    assert [v for *_, v in stored_values(connection)] == [2.0, 2.5]


@pytest.mark.parametrize(
    "other", [reading("level", 1.0, "kg"), reading("level", 1e308, "Ym"), reading("level", 1.0, "")]
)
def test_a_value_without_a_number_in_the_series_unit_is_refused_with_its_message(
    connection: Connection, other: dict[str, Any]
) -> None:
    commit_messages(connection, [message("d", reading("level", 2.0, "m"), time=ARRIVAL)], SETTINGS)
    commit_messages(connection, [message("d", reading("flow", 1.0), other, time=ARRIVAL)], SETTINGS)
    assert reasons(connection) == [("rejected", "unit_mismatch")]
    assert [metric for _, metric, _, _ in stored_values(connection)] == ["level"]


def test_new_devices_are_added_with_what_is_known_of_their_metrics(connection: Connection) -> None:
    first = message(
        "d",
        reading("pressure_1", 5.0, "bar"),
        reading("odd", 1.0, "1"),
        zone="north",
        place={"latitude": 1, "longitude": 2},
    )
    commit_messages(connection, [first], SETTINGS)
    asset = connection.execute("select name, domain, kind, zone, latitude, longitude from asset").fetchall()
    assert asset == [("d", "water", "dma", "north", 1.0, 2.0)]
    series = {row.metric: (row.unit, row.lower_limit, row.upper_limit) for row in all_series(connection)}
    assert series == {"pressure_1": ("bar", 0.0, 20.0), "odd": ("1", None, None)}
    flags = connection.execute("select metric, quality from reading join series using (series_id)").fetchall()
    assert sorted(flags) == [("odd", QualityFlag.NOT_EVALUATED), ("pressure_1", QualityFlag.GOOD)]


def test_a_value_outside_the_limits_is_stored_and_flagged(connection: Connection) -> None:
    commit_messages(connection, [message("d", reading("level", -1.0, "m"))], SETTINGS)
    assert connection.execute("select value, quality from reading").fetchall() == [(-1.0, QualityFlag.BAD)]


def test_without_onboarding_unknown_devices_wait_in_quarantine(connection: Connection) -> None:
    careful = Committer(IngestSettings(onboarding=False))
    careful.commit(connection, parts_of([message("d", reading()), message("e", events=[{"kind": "x"}])]))
    assert reasons(connection) == [("quarantined", "unknown_device")] * 2
    assert (account(connection).quarantined, account(connection).rejected) == (2, 0)
    connection.execute("insert into asset (name, domain, kind) values ('d', 'water', 'dma')")
    careful.commit(connection, parts_of([message("d", reading())]))
    assert (account(connection).accepted, len(stored_values(connection))) == (1, 1)


def test_messages_that_say_nothing_are_lawful_and_add_no_device(connection: Connection) -> None:
    empty = Message("cityvigil/v1/water/dma/d", b"", ARRIVAL)
    commit_messages(connection, [empty, message("e"), message("f", reading(value=None))], SETTINGS)
    assert account(connection).without_reading == 3
    assert connection.execute("select count(*) from asset").fetchone() == (0,)


def test_feeds_are_counted_apart_in_transactions_of_their_own() -> None:
    messages = [message("d"), Message("x", b"", ARRIVAL), message("e"), Message("/hfp/v2/x", b"", ARRIVAL)]
    parts = parts_of(messages)
    assert [(part.feed, list(part.messages)) for part in parts] == [
        ("cityvigil_json", [messages[0], messages[2]]),
        ("unknown", [messages[1]]),
        ("hfp", [messages[3]]),
    ]
    assert len({part.key for part in parts}) == 3


def test_narrowing_loses_no_message() -> None:
    part = Part("f", [Message(str(n), b"", ARRIVAL) for n in range(7)])
    halves = part.narrowed(StoreError("no"))
    assert [m for half in halves for m in half.messages] == list(part.messages)
    alone = Part("f", part.messages[:1]).narrowed(StoreError("no"))
    assert [(p.messages, p.refusal) for p in alone] == [(part.messages[:1], "no")]


def test_the_accounts_latest_times_are_those_of_what_was_accepted(connection: Connection) -> None:
    commit_messages(
        connection,
        [
            message("d", reading(), time=ARRIVAL - timedelta(hours=1), received_at=ARRIVAL + timedelta(seconds=9)),
            message("d", time=ARRIVAL - timedelta(minutes=30), events=[{"kind": "x"}]),
            message("d", reading(), time=ARRIVAL - timedelta(days=900)),
        ],
        SETTINGS,
    )
    counted = account(connection)
    assert counted.latest_event_at == ARRIVAL - timedelta(minutes=30)
    assert counted.latest_arrival_at == ARRIVAL + timedelta(seconds=9)


def test_two_processes_that_meet_a_device_first_agree_on_its_numbers(connection: Connection) -> None:
    said = [u.said for u in understand([message("d", reading())], SETTINGS)]
    one, other = Directory(), Directory()
    for directory in (one, other):
        learn(connection, directory, [s for s in said if not hasattr(s, "reason")], onboarding=True)
    assert asdict(one.slots["d", "flow"]) == asdict(other.slots["d", "flow"])
    assert one.table.series_id.tolist() == other.table.series_id.tolist()
