import uuid
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.quality import QualityFlag
from core.reading import Reading
from store.arrivals import (
    BEGINNING,
    anomalies_since,
    move_cursor,
    present_horizon,
    read_cursor,
    readings_since,
)
from store.batches import open_batch, write_readings
from store.copying import ReadingColumns
from store.database import Connection, connect, transaction
from store.judgements import add_anomaly, revise_anomaly
from tests.store.making import START, reading, register, write
from tests.store.test_judgements import anomaly_of


class Writer:
    """A connection that commits when it is told to."""

    def __init__(self, url: str) -> None:
        self.connection = connect(url, "writer")

    def begin(self, values: list[float]) -> None:
        self.connection.execute("begin")
        columns = ReadingColumns.of([reading(1, value, value) for value in values])
        batch = open_batch(self.connection, uuid.uuid4(), "live", columns)
        assert batch is not None
        write_readings(self.connection, batch, columns)

    def end(self, how: str) -> None:
        self.connection.execute(how.encode())

    def close(self) -> None:
        self.connection.close()


class Reader:
    """Remembers how far it has read, as the engine does."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.horizon = present_horizon(connection)
        self.seen: Counter[float] = Counter()

    def look(self) -> None:
        arrived = readings_since(self.connection, self.horizon)
        self.horizon = arrived.horizon
        self.seen.update(arrived.value.tolist())


def test_a_writer_that_commits_late_is_not_passed_over(connection: Connection, database_url: str) -> None:
    with ExitStack() as stack:
        early, late = Writer(database_url), Writer(database_url)
        stack.callback(early.close)
        stack.callback(late.close)
        reader = Reader(connection)
        early.begin([1.0])
        late.begin([2.0])
        late.end("commit")
        reader.look()
        assert 1.0 not in reader.seen
        early.end("commit")
        reader.look()
        assert reader.seen == Counter([1.0, 2.0])


actions = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["commit", "rollback", "look"])), max_size=14)


@given(actions)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_skipped_and_nothing_comes_twice_whatever_the_order_of_commits(
    connection: Connection, database_url: str, plan: list[tuple[int, str]]
) -> None:
    connection.execute("truncate reading")
    with ExitStack() as stack:
        writers = [Writer(database_url) for _ in range(3)]
        for writer in writers:
            stack.callback(writer.close)
        reader = Reader(connection)
        open_values: dict[int, float] = {}
        committed: Counter[float] = Counter()
        for number, (who, what) in enumerate(plan):
            if what == "look":
                reader.look()
            elif who not in open_values:
                open_values[who] = float(number)
                writers[who].begin([float(number)])
            else:
                value = open_values.pop(who)
                writers[who].end(what)
                committed.update([value] if what == "commit" else [])
        for who, value in open_values.items():
            writers[who].end("commit")
            committed[value] += 1
        reader.look()
        assert reader.seen == committed


def test_what_was_there_before_is_read_from_the_beginning(connection: Connection) -> None:
    write(connection, [reading(1, 0, 5.0), reading(2, 1, 6.0)])
    arrived = readings_since(connection, BEGINNING)
    found = zip(arrived.series_id, arrived.time.tolist(), arrived.value, arrived.quality, strict=True)
    first, second = START.replace(tzinfo=None), START.replace(tzinfo=None) + timedelta(seconds=1)
    assert sorted(found) == [(1, first, 5.0, 1), (2, second, 6.0, 1)]
    again = readings_since(connection, arrived.horizon)
    assert len(again.series_id) == len(again.time) == len(again.value) == len(again.quality) == 0


def test_what_arrives_is_what_was_written_to_the_microsecond(connection: Connection) -> None:
    time = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    write(connection, [Reading(1, time, -0.1, QualityFlag.SUSPECT, START)])
    arrived = readings_since(connection, BEGINNING)
    assert arrived.time.tolist() == [time.replace(tzinfo=None)]
    assert (arrived.value.tolist(), arrived.quality.tolist()) == ([-0.1], [QualityFlag.SUSPECT])


def test_duplicates_do_not_arrive_again(connection: Connection) -> None:
    write(connection, [reading(1, 0, 5.0)])
    horizon = present_horizon(connection)
    write(connection, [reading(1, 0, 5.0), reading(1, 1, 6.0)])
    assert readings_since(connection, horizon).value.tolist() == [6.0]


def test_the_cursor_moves_with_the_transaction_or_not_at_all(connection: Connection) -> None:
    assert read_cursor(connection, "engine") is None
    with transaction(connection):
        move_cursor(connection, "engine", "7", START)
    with connection.transaction(force_rollback=True):
        move_cursor(connection, "engine", "9")
    assert read_cursor(connection, "engine") == "7"
    move_cursor(connection, "engine", "18446744073709551615")
    assert read_cursor(connection, "engine") == "18446744073709551615"
    assert read_cursor(connection, "alerts") is None
    assert connection.execute("select watermark from consumer_cursor").fetchone() == (START,)


def test_anomalies_arrive_when_written_and_when_revised(connection: Connection) -> None:
    one, two = register(connection, "north", "south")
    number = add_anomaly(connection, None, anomaly_of(one))
    add_anomaly(connection, None, anomaly_of(two))
    horizon, assets = anomalies_since(connection, BEGINNING)
    assert assets == {one, two}
    assert anomalies_since(connection, horizon)[1] == set()
    revise_anomaly(connection, number, anomaly_of(one, severity=60.0))
    assert anomalies_since(connection, horizon)[1] == {one}
