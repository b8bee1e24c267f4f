from datetime import UTC, datetime, timedelta

from cli.backfill import backfill, register
from simulators.city import City, build_city
from simulators.history import history
from store.database import Connection
from store.registry import all_series
from store.series_data import points

START = datetime(2026, 9, 14, 22, 0, tzinfo=UTC)
END = START + timedelta(hours=4)  # across midnight: two blocks
CITY = build_city("tiny", seed=7)


def expected(city: City, start: datetime, end: datetime) -> dict[tuple[str, str], dict[datetime, float]]:
    found: dict[tuple[str, str], dict[datetime, float]] = {(s.asset, s.metric): {} for s in city.series}
    for block in history(city, start, end):
        for index, moment, value in zip(block.series_index, block.times, block.values, strict=True):
            series = city.series[index]
            found[series.asset, series.metric][moment.item().replace(tzinfo=UTC)] = float(value)
    return found


def test_each_value_lands_in_its_own_series(connection: Connection) -> None:
    # Numbers that have nothing to do with the city's order.
    register(connection, City("tiny", 7, CITY.calendar, CITY.assets[::-1], CITY.series[::-1]))
    wanted = expected(CITY, START, END)
    assert backfill(connection, CITY, START, END) == sum(map(len, wanted.values()))
    stored = {(s.asset, s.metric): s for s in all_series(connection)}
    assert stored.keys() == wanted.keys()
    for key, values in wanted.items():
        found = points(connection, stored[key].series_id, START, END, 1_000)
        assert {p.time: p.value for p in found} == values
        assert all(START <= p.time < END for p in found)


def test_registered_series_have_units_limits_and_intervals(connection: Connection) -> None:
    register(connection, CITY)
    stored = {(s.asset, s.metric): s for s in all_series(connection)}
    for series in CITY.series:
        found = stored[series.asset, series.metric]
        assert (found.unit, found.expected_interval_s, found.lower_limit, found.upper_limit) == (
            series.unit, series.expected_interval_s, series.lower_limit, series.upper_limit,
        )  # fmt: skip


def test_the_same_past_twice_is_the_same_past(connection: Connection) -> None:
    first = backfill(connection, CITY, START, END)
    assert backfill(connection, CITY, START, END) == 0
    longer = backfill(connection, CITY, START - timedelta(hours=1), END)
    row = connection.execute("select count(*), count(distinct (series_id, time)) from reading").fetchone()
    assert row == (first + longer, first + longer)


def test_numbers_follow_the_city_s_order(connection: Connection) -> None:
    numbers = register(connection, CITY)
    assert register(connection, CITY) == numbers
    by_number = {s.series_id: (s.asset, s.metric) for s in all_series(connection)}
    assert [by_number[n] for n in numbers] == [(s.asset, s.metric) for s in CITY.series]


def test_a_day_is_stored(connection: Connection) -> None:
    stored = backfill(connection, CITY, START, START + timedelta(days=1))
    assert stored > 50_000
