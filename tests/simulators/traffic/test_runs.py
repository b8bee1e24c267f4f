import numpy as np
import pytest

from simulators.noise import FloatArray
from simulators.traffic import Traffic
from simulators.traffic.hours import service_day
from simulators.traffic.lines import BOARDING_S
from simulators.traffic.runs import Runs, no_obstacles
from simulators.traffic.service import run_lines
from simulators.traffic.town import timetable_of, usual_state
from tests.simulators.traffic.conftest import CALENDAR, WEDNESDAY

DAY = service_day(CALENDAR, WEDNESDAY)
RUSH, NOON, EVENING = (12.0, 15.5), (7.5, 11.0), (17.75, 20.0)  # hours since 03:00


def _runs(traffic: Traffic, boarding_s: float = BOARDING_S) -> Runs:
    lines = np.arange(traffic.town.lines.count.size)
    obstacles = no_obstacles(lines.size, traffic.town.lines.fleet)
    run_s = usual_state(traffic.town, DAY).run_s
    return run_lines(traffic.town, DAY, run_s, lines, obstacles, boarding_s=boarding_s)


def _variation(traffic: Traffic, runs: Runs, hours: tuple[float, float]) -> FloatArray:
    """Return the coefficient of variation of headways at the begin, middle and end of lines, mean of all lines."""
    lines, table = traffic.town.lines, timetable_of(traffic.town, DAY)
    found = []
    for line, count in enumerate(lines.count.tolist()):
        begins = table.departs_s[line] / 3_600
        chosen = (begins > hours[0]) & (begins < hours[1]) & table.used[line] & (table.direction[line] == 0)
        leaves = np.diff(runs.depart_s[line, chosen][:, [0, count // 2, count - 1]], axis=0)
        found.append(leaves.std(axis=0) / leaves.mean(axis=0))
    return np.asarray(np.mean(found, axis=0))


def test_vehicles_bunch_along_the_line_and_more_so_in_the_rush_hour(small: Traffic) -> None:
    runs = _runs(small)
    rush, evening = _variation(small, runs, RUSH), _variation(small, runs, EVENING)
    assert rush[0] < rush[1] < rush[2]
    assert rush[0] < 0.1
    assert rush[2] > 0.35
    assert evening[2] < 0.6 * rush[2]


def test_without_time_for_boarding_they_bunch_clearly_less(small: Traffic) -> None:
    usual, quick = (_variation(small, _runs(small, boarding_s), RUSH)[2] for boarding_s in (BOARDING_S, 0.0))
    assert quick < 0.7 * usual


def test_vehicles_keep_the_timetable_within_minutes_and_leave_no_terminal_early(small: Traffic) -> None:
    runs, table = _runs(small), timetable_of(small.town, DAY)
    begins = runs.depart_s[..., 0]
    assert np.nanmin(begins - table.departs_s) >= 0.0
    offset = (table.calls_s - runs.depart_s)[runs.served]
    assert abs(np.median(offset)) < 45.0
    assert 20.0 < offset.std() < 180.0


def test_a_vehicle_is_in_one_place_at_a_time(small: Traffic) -> None:
    runs, table = _runs(small), timetable_of(small.town, DAY)
    for line in range(3):
        for rank in range(small.town.lines.fleet):
            mine = (table.vehicle[line] == rank) & table.used[line]
            begins = runs.depart_s[line, mine, 0]
            ends = np.nanmax(runs.depart_s[line, mine], axis=1, initial=-1.0)
            assert (begins[1:] > ends[:-1]).all()


def test_nobody_rides_beyond_the_terminal_and_no_vehicle_is_overfull(small: Traffic) -> None:
    runs = _runs(small)
    assert np.nanmin(runs.load) >= 0.0
    assert np.nanmax(runs.load) <= 85.0 + 1e-9
    last = np.take_along_axis(runs.load, small.town.lines.count[:, None, None], axis=2)
    assert np.nanmax(last) == 0.0


def test_calls_are_in_order_and_agree_with_the_trajectory(small: Traffic) -> None:
    calls = small.calls(WEDNESDAY)
    assert not calls.flags.writeable
    assert (np.diff(calls["time_us"]) >= 0).all()
    assert calls["time_us"][0] // 86_400_000_000 == calls["time_us"][-1] // 86_400_000_000 == WEDNESDAY
    some = calls[calls["departs"]][:: max(calls.size // 200, 1)]
    town = small.town
    for call in some:
        where = small.trajectory(np.array([call["vehicle"]]), np.array([call["time_us"]]))
        stop = town.lines.latitude[call["line"], call["direction"], 0, call["stop"]]
        assert abs(where.latitude[0, 0] - stop) * 111_195 < 2.0
        assert where.speed[0, 0] < 1.0


def test_trajectories_have_no_leaps_and_the_speed_is_the_way_over_time(tiny: Traffic) -> None:
    seconds = np.arange(5 * 3_600, 7 * 3_600, dtype=np.int64)
    times_us = (WEDNESDAY * 86_400 + seconds) * 1_000_000
    where = tiny.trajectory(np.arange(6), times_us)
    north, east = np.diff(where.latitude) * 111_195, np.diff(where.longitude) * 111_195 * 0.685
    assert np.nanmax(np.hypot(north, east)) < 17.0
    driven = np.diff(where.driven)
    middle = (where.speed[:, 1:] + where.speed[:, :-1]) / 2
    assert np.nanmax(np.abs(driven - middle)) < 2.5
    assert np.nanmean(driven) == pytest.approx(np.nanmean(middle), rel=0.01)
    assert np.nanmin(driven) >= 0.0


def test_headways_are_what_the_calls_say(tiny: Traffic) -> None:
    line = 0
    at = next(row for row, one in enumerate(tiny.series) if one.asset == tiny.town.lines.names[line])
    calls = tiny.calls(WEDNESDAY)
    stop = int(tiny.town.lines.count[line]) // 2
    chosen = (calls["line"] == line) & (calls["direction"] == 0) & (calls["stop"] == stop) & calls["departs"]
    times = calls["time_us"][chosen] / 1e6
    stamp = WEDNESDAY * 86_400 + 12 * 3_600
    last = times[times <= stamp][-2:]
    assert tiny.values(WEDNESDAY)[at, 144] == pytest.approx(last[1] - last[0], abs=1.0)
