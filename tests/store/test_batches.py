import struct
import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import StoreError
from core.quality import QualityFlag
from core.reading import Reading
from store.batches import (
    DeadLetterRow,
    EventRow,
    first_arrivals,
    forget_arrivals,
    latest_dead_letters,
    open_batch,
    remember_arrivals,
    stored_values,
    write_conflicts,
    write_dead_letters,
    write_events,
    write_readings,
)
from store.copying import ReadingColumns
from store.database import Connection, connect, transaction
from tests.store.making import SECOND, START, reading, register, write

NOTHING = ReadingColumns.of([])
Stored = dict[tuple[int, datetime], float]


def readings_in(connection: Connection) -> Stored:
    return {(s, t): v for s, t, v in connection.execute("select series_id, time, value from reading")}


def conflicts_in(connection: Connection) -> list[tuple[int, datetime, float]]:
    return sorted(connection.execute("select series_id, time, value from reading_conflict").fetchall())


def batch(connection: Connection, key: uuid.UUID | None = None) -> int:
    number = open_batch(connection, key or uuid.uuid4(), "live", NOTHING)
    assert number is not None
    return number


def test_the_first_value_stays_and_what_contradicts_it_is_kept(connection: Connection) -> None:
    first = write(connection, [reading(1, 0, 5.0), reading(1, 1, 6.0)])
    second = write(connection, [reading(1, 0, 5.0), reading(1, 1, 7.0), reading(1, 2, 8.0), reading(2, 0, 9.0)])
    assert (first.stored, first.duplicate, first.conflict) == (2, 0, 0)
    assert (second.stored, second.duplicate, second.conflict) == (2, 1, 1)
    assert readings_in(connection)[1, START + SECOND] == 6.0
    assert conflicts_in(connection) == [(1, START + SECOND, 7.0)]


seconds = st.integers(0, 4)
batches = st.lists(
    st.dictionaries(st.tuples(st.integers(1, 2), seconds), st.sampled_from([0.0, -0.0, 1.0, -1.5e300]), max_size=6),
    max_size=6,
)


@given(batches)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batches_behave_like_a_dictionary_that_keeps_first_values(
    connection: Connection, written: list[dict[tuple[int, int], float]]
) -> None:
    connection.execute("truncate reading, reading_conflict")
    model: Stored = {}
    contradicting = []
    for values in written:
        result = write(connection, [reading(s, second, v) for (s, second), v in values.items()])
        keyed = {(s, START + second * SECOND): v for (s, second), v in values.items()}
        old = {key: v for key, v in keyed.items() if key in model}
        against = [(*key, v) for key, v in old.items() if model[key] != v]
        assert (result.stored, result.duplicate, result.conflict) == (
            len(keyed) - len(old),
            len(old) - len(against),
            len(against),
        )
        contradicting += against
        model = keyed | model
    assert readings_in(connection) == model
    assert conflicts_in(connection) == sorted(contradicting)


def test_two_writers_of_the_same_key_end_with_one_value_and_one_conflict(
    connection: Connection, database_url: str
) -> None:
    with connect(database_url, "other") as other:
        with transaction(connection):
            columns = ReadingColumns.of([reading(1, 0, 5.0)])
            number = open_batch(connection, uuid.uuid4(), "live", columns)
            assert number is not None
            write_readings(connection, number, columns)
            other.execute("set lock_timeout = '200ms'")
            with pytest.raises(Exception, match="lock timeout"):
                write(other, [reading(1, 0, 6.0)])
        result = write(other, [reading(1, 0, 6.0)])
    assert (result.stored, result.conflict) == (0, 1)
    assert list(readings_in(connection).values()) == [5.0]


def test_a_batch_that_was_committed_before_is_not_opened_again(connection: Connection) -> None:
    key = uuid.uuid4()
    assert open_batch(connection, key, "live", NOTHING) is not None
    assert open_batch(connection, key, "live", NOTHING) is None


def test_a_batch_that_was_rolled_back_is_opened_again(connection: Connection) -> None:
    key = uuid.uuid4()
    columns = ReadingColumns.of([reading(1, 0, 5.0)])
    with connection.transaction(force_rollback=True):
        number = open_batch(connection, key, "live", columns)
        assert number is not None
        write_readings(connection, number, columns)
    assert readings_in(connection) == {}
    assert open_batch(connection, key, "live", columns) is not None


def test_a_batch_says_what_it_holds(connection: Connection) -> None:
    write(connection, [reading(3, 9, 1.0), reading(1, 4, 1.0), reading(3, 7, 1.0)])
    found = connection.execute("select reading_from, reading_until, series_ids from ingest_batch").fetchone()
    assert found == (START + 4 * SECOND, START + 9 * SECOND, [1, 3])


MOMENTS = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, 0, 123_457, tzinfo=UTC),
    datetime(2261, 7, 1, 12, 0, 0, 999_999, tzinfo=UTC),
]


@pytest.mark.parametrize("staged", [False, True])
def test_packing_is_exact(connection: Connection, staged: bool) -> None:
    values = [-0.0, 0.1, 5e-324, -1.7976931348623157e308, 1 / 3, 2.0**53 + 2]
    flags = list(QualityFlag)
    rows = [
        Reading(2**31 - 1, time, value, flags[n % len(flags)], time + timedelta(microseconds=n))
        for n, (time, value) in enumerate(zip(MOMENTS, values, strict=True))
    ]
    if staged:
        write(connection, [reading(1, 0, 1.0)])
        rows.append(reading(1, 0, 1.0))
    write(connection, rows)
    found = connection.execute(
        "select series_id, time, value, quality, received_at from reading where series_id > 1 order by time"
    ).fetchall()
    expected = sorted(rows[: len(MOMENTS)], key=lambda row: row.time)
    assert found == [tuple(row) for row in expected]
    assert [struct.pack(">d", row[2]) for row in found] == [struct.pack(">d", row.value) for row in expected]


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - aware below
def test_times_become_columns_without_loss(time: datetime) -> None:
    columns = ReadingColumns.of([Reading(1, time.replace(tzinfo=UTC), 0.0, QualityFlag.GOOD, START)])
    assert columns.time[0].item() == time


def test_a_batch_without_readings_writes_none(connection: Connection) -> None:
    with transaction(connection):
        assert write_readings(connection, batch(connection), NOTHING).stored == 0
    assert readings_in(connection) == {}


def test_stored_values_come_in_the_order_asked_for(connection: Connection) -> None:
    write(connection, [reading(1, 0, 5.0), reading(2, 0, 6.0)])
    asked = ReadingColumns.of([reading(2, 0, 0.0), reading(1, 1, 0.0), reading(1, 0, 0.0)])
    np.testing.assert_array_equal(stored_values(connection, asked), [6.0, np.nan, 5.0])


def test_conflicts_within_a_batch_are_kept(connection: Connection) -> None:
    with transaction(connection):
        write_conflicts(connection, batch(connection), [reading(1, 0, 5.0), reading(1, 0, 6.0)])
        write_conflicts(connection, batch(connection), [])
    assert conflicts_in(connection) == [(1, START, 5.0), (1, START, 6.0)]


def test_an_event_is_stored_once(connection: Connection) -> None:
    (asset_id,) = register(connection, "north")
    event = EventRow(asset_id, START, "birth", {"line": "7", "count": 3, "late": True, "by": 1.5}, START)
    other = EventRow(asset_id, START, "death", {}, START)
    with transaction(connection):
        number = batch(connection)
        assert write_events(connection, number, [event]) == 1
        assert write_events(connection, number, [event, other]) == 1
        assert write_events(connection, number, []) == 0
    found = connection.execute("select kind, attributes from event order by kind").fetchall()
    assert found == [("birth", dict(event.attributes)), ("death", {})]


def test_dead_letters_keep_every_byte(connection: Connection) -> None:
    payload = bytes(range(256))
    letters = [
        DeadLetterRow("water", "rejected", "not_json", "line 1", f"t/{n}", payload[: n * 128], False, START)
        for n in range(3)
    ]
    with transaction(connection):
        write_dead_letters(connection, batch(connection), letters)
    assert [(d.topic, d.payload_bytes) for d in latest_dead_letters(connection, 2)] == [("t/2", 256), ("t/1", 128)]
    assert connection.execute("select payload from dead_letter where topic = 't/2'").fetchone() == (payload,)


def test_a_message_is_recognised_within_the_window(connection: Connection) -> None:
    remember_arrivals(connection, {b"a": START, b"b": START + 10 * SECOND})
    assert first_arrivals(connection, [b"a", b"b", b"c"], START) == {b"a": START, b"b": START + 10 * SECOND}
    assert first_arrivals(connection, [b"a", b"b"], START + SECOND) == {b"b": START + 10 * SECOND}
    assert first_arrivals(connection, [], START) == {}
    forget_arrivals(connection, START + 10 * SECOND)
    assert first_arrivals(connection, [b"a", b"b"], START) == {b"b": START + 10 * SECOND}


def test_an_impossible_quality_is_refused(connection: Connection) -> None:
    row = reading(1, 0, 1.0)._replace(quality=5)  # type: ignore[arg-type] # what the type forbids
    with pytest.raises(StoreError, match="quality"):
        write(connection, [row])
    assert readings_in(connection) == {}
