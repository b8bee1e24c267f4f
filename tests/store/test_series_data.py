from datetime import timedelta

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.quality import QualityFlag
from engine.grid import end_of, step_of
from store.arrivals import present_horizon
from store.database import Connection
from store.series_data import latest_event_times, points, stepped_readings
from tests.store.making import SECOND, START, reading, write

EVERYTHING = str(2**63)
MINUTE = timedelta(minutes=1)


@given(
    st.dictionaries(st.tuples(st.integers(1, 2), st.integers(0, 200)), st.integers(-9, 9), max_size=20),
    st.sampled_from([1, 7, 60, 90]),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_steps_readings_as_the_engines_grid_does(
    connection: Connection, values: dict[tuple[int, int], int], step_s: int
) -> None:
    connection.execute("truncate reading")
    write(connection, [reading(s, second, value) for (s, second), value in values.items()])
    until = START + 150 * SECOND
    found = stepped_readings(connection, [1, 2], (START, until), step_s, EVERYTHING)
    expected: dict[tuple[int, np.datetime64], list[int]] = {}
    for (series, second), value in values.items():
        if 0 < second <= 150:
            time = np.array([START.replace(tzinfo=None) + second * SECOND], dtype="datetime64[us]")
            expected.setdefault((series, end_of(step_of(time, step_s), step_s)[0]), []).append(value)
    rows = zip(found.series_id.tolist(), found.step_end, found.total.tolist(), found.samples.tolist(), strict=True)
    assert list(rows) == [(*key, float(sum(expected[key])), len(expected[key])) for key in sorted(expected)]


def test_bad_readings_and_those_beyond_the_horizon_are_left_out(connection: Connection) -> None:
    write(
        connection, [reading(1, 1, 5.0), reading(1, 2, 7.0, QualityFlag.BAD), reading(1, 3, 6.0, QualityFlag.SUSPECT)]
    )
    horizon = present_horizon(connection)
    write(connection, [reading(1, 4, 100.0)])
    span = (START, START + MINUTE)
    assert stepped_readings(connection, [1], span, 60, horizon).total.tolist() == [11.0]
    assert stepped_readings(connection, [1], span, 60, EVERYTHING).total.tolist() == [111.0]
    assert stepped_readings(connection, [], span, 60, EVERYTHING).total.tolist() == []


def test_latest_event_times_are_by_event_time_not_by_arrival(connection: Connection) -> None:
    write(connection, [reading(1, 9, 5.0), reading(2, 1, 5.0)])
    write(connection, [reading(1, 4, 5.0)])
    assert latest_event_times(connection, [1, 2, 3]) == {1: START + 9 * SECOND, 2: START + SECOND}


def test_few_points_are_drawn_as_they_are(connection: Connection) -> None:
    write(connection, [reading(1, n, float(n)) for n in range(5)])
    drawn = points(connection, 1, START, START + 4 * SECOND, 5)
    assert [(p.time, p.value, p.least, p.largest) for p in drawn] == [
        (START + n * SECOND, float(n), float(n), float(n)) for n in range(5)
    ]


@given(st.integers(2, 40))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_points_are_thinned_without_losing_extremes(connection: Connection, most: int) -> None:
    connection.execute("truncate reading")
    values = np.random.default_rng(most).normal(size=100).tolist()
    flags = [QualityFlag.BAD if n == 50 else QualityFlag.GOOD for n in range(100)]
    write(connection, [reading(1, n, v, flag) for n, (v, flag) in enumerate(zip(values, flags, strict=True))])
    drawn = points(connection, 1, START, START + 99 * SECOND, most)
    assert 0 < len(drawn) <= most
    assert (min(p.least for p in drawn), max(p.largest for p in drawn)) == (min(values), max(values))
    assert max(p.quality for p in drawn) == QualityFlag.BAD
