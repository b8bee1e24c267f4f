import numpy as np
import pytest

from simulators.fault import Fault, FaultKind
from simulators.noise import FloatArray
from simulators.traffic import BREAKS, TINY, Traffic
from tests.simulators.traffic.conftest import (
    WEDNESDAY,
    build,
    busiest_vehicle,
    busy_road,
    counter_on,
    differs,
    fault_on,
    row,
)

START_H, END_H = 14.0 + 2 / 60, 16.0 + 31 / 60  # the afternoon's rush hour in summer, off the grid of samples
NOW = slice(169, 199)


def _asset(traffic: Traffic, kind: FaultKind) -> str:
    town, road = traffic.town, busy_road(traffic)
    befallen = BREAKS[kind][0]
    if befallen == "road_segment":
        return town.segment_names[road]
    if befallen == "junction":
        return town.junction_names[int(town.streets.end[road])]
    if befallen == "counter":
        return counter_on(traffic, road)
    return town.lines.names[1] if befallen == "line" else busiest_vehicle(traffic)


def _fault(traffic: Traffic, kind: FaultKind) -> Fault:
    return fault_on(kind, _asset(traffic, kind), START_H, END_H)


def _both(traffic: Traffic, kind: FaultKind, metric: str, asset: str = "") -> tuple[FloatArray, FloatArray]:
    """Return what a series shows without and with a fault while it holds."""
    fault = _fault(traffic, kind)
    at = row(traffic, asset or fault.asset, metric)
    return traffic.values(WEDNESDAY)[at, NOW], traffic.values(WEDNESDAY, (fault,))[at, NOW]


@pytest.mark.parametrize("kind", list(BREAKS))
def test_a_fault_shows_from_its_start_on_and_only_where_it_says(kind: FaultKind, small: Traffic) -> None:
    fault = _fault(small, kind)
    changed = differs(small.values(WEDNESDAY), small.values(WEDNESDAY, (fault,)))
    names = {small.series[at].asset for at in np.flatnonzero(changed.any(axis=1))}
    affected = small.affected(fault)
    assert affected[0] == fault.asset
    assert len(set(affected)) == len(affected)
    assert names
    assert names <= set(affected)
    first = int(np.flatnonzero(changed.any(axis=0))[0])
    assert first * 300 >= START_H * 3_600 - 1e-6
    assert first <= 172


@pytest.mark.parametrize("kind", [FaultKind.COUNTER_DEAD, FaultKind.GPS_JUMP, FaultKind.FEED_LATE])
def test_what_befalls_an_instrument_ends_with_the_fault(kind: FaultKind, small: Traffic) -> None:
    changed = differs(small.values(WEDNESDAY), small.values(WEDNESDAY, (_fault(small, kind),)))
    assert np.flatnonzero(changed.any(axis=0))[-1] * 300 < END_H * 3_600


def test_a_blocked_road_lets_hardly_anybody_through_and_others_see_more_or_less(small: Traffic) -> None:
    road = busy_road(small)
    before, shown = _both(small, FaultKind.ROAD_BLOCKED, "travel_time")
    assert np.nanmedian(shown[3:]) > 10 * np.nanmedian(before)
    before, shown = _both(small, FaultKind.ROAD_BLOCKED, "traffic_flow", counter_on(small, road))
    assert np.nanmean(shown[3:]) < 0.15 * np.nanmean(before[3:])
    fault = _fault(small, FaultKind.ROAD_BLOCKED)
    flows = [at for at, one in enumerate(small.series) if one.metric == "traffic_flow"]
    change = (small.values(WEDNESDAY, (fault,)) - small.values(WEDNESDAY))[flows, NOW]
    assert np.nanmax(np.nanmean(change, axis=1)) > 100.0
    assert {"line", "counter"} <= {small.town.index[name][0] for name in small.affected(fault)}


def test_failed_signals_slow_all_ways_into_the_junction(small: Traffic) -> None:
    town = small.town
    junction = int(town.streets.end[busy_road(small)])
    gains = []
    for segment in np.flatnonzero(town.streets.end == junction):
        before, shown = _both(small, FaultKind.SIGNAL_FAILURE, "travel_time", town.segment_names[int(segment)])
        gains.append(np.nanmedian(shown[6:]) / np.nanmedian(before[6:]))
    assert max(gains) > 2.0
    assert min(gains) > 0.95


def test_far_from_a_blocked_road_all_is_exactly_as_without(small: Traffic) -> None:
    fault = _fault(small, FaultKind.ROAD_BLOCKED)
    affected = set(small.affected(fault))
    segments = [one.asset for one in small.series if one.metric == "travel_time"]
    assert 3 <= len(affected & set(segments)) < 0.75 * len(segments)


def test_a_detour_leaves_out_stops_and_takes_longer(small: Traffic) -> None:
    fault = _fault(small, FaultKind.DETOUR)
    line = small.town.lines.names.index(fault.asset)
    usual, other = (
        calls[calls["line"] == line] for calls in (small.calls(WEDNESDAY), small.calls(WEDNESDAY, (fault,)))
    )
    span = [(WEDNESDAY * 24 + hour) * 3_600_000_000 for hour in (START_H + 0.5, END_H)]
    during = [one[(one["time_us"] > span[0]) & (one["time_us"] < span[1])] for one in (usual, other)]
    left_out = set(range(int(small.town.lines.count[line]) + 1)) - set(during[1]["stop"][during[1]["direction"] == 0])
    assert len(left_out) >= 2
    assert not left_out & {0, int(small.town.lines.count[line])}
    assert during[1].size < 0.85 * during[0].size
    foreign = small.calls(WEDNESDAY, (fault,))
    assert np.array_equal(
        foreign[foreign["line"] != line], small.calls(WEDNESDAY)[small.calls(WEDNESDAY)["line"] != line]
    )


def test_a_broken_vehicle_stands_and_falls_behind_and_the_next_find_more_people(small: Traffic) -> None:
    fault = _fault(small, FaultKind.BUS_BREAKDOWN)
    latitude = _both(small, FaultKind.BUS_BREAKDOWN, "latitude")[1]
    assert np.nanmax(latitude) - np.nanmin(latitude) < 0.0003
    assert np.nanmax(_both(small, FaultKind.BUS_BREAKDOWN, "speed")[1][1:]) == 0.0
    offset = _both(small, FaultKind.BUS_BREAKDOWN, "schedule_offset")[1]
    steps = np.diff(offset)[~np.isnan(np.diff(offset))]
    assert np.allclose(steps, -300.0)
    line = small.town.index[fault.asset][1] // small.town.lines.fleet
    at = row(small, small.town.lines.names[line], "headway")
    usual, other = small.values(WEDNESDAY), small.values(WEDNESDAY, (fault,))
    assert np.nanmax(other[at, NOW]) > np.nanmedian(usual[at, NOW])
    calls = small.calls(WEDNESDAY, (fault,))
    mine = calls["time_us"][calls["vehicle"] == small.town.index[fault.asset][1]] / 3.6e9 - WEDNESDAY * 24
    assert not ((mine >= START_H) & (mine < END_H)).any()
    assert (mine < START_H).any()
    # Another vehicle goes on under its name.
    assert (~np.isnan(other[row(small, fault.asset, "latitude"), NOW.stop :])).any()


def test_a_frozen_receiver_repeats_itself_while_the_odometer_goes_on(small: Traffic) -> None:
    for metric in ("latitude", "longitude"):
        shown = _both(small, FaultKind.GPS_FREEZE, metric)[1]
        assert np.unique(shown[~np.isnan(shown)]).size == 1
    usual, shown = _both(small, FaultKind.GPS_FREEZE, "odometer")
    assert not differs(usual, shown).any()


def test_a_jumping_receiver_is_kilometres_off_and_back(small: Traffic) -> None:
    north = np.subtract(*_both(small, FaultKind.GPS_JUMP, "latitude")[::-1]) * 111.195
    east = np.subtract(*_both(small, FaultKind.GPS_JUMP, "longitude")[::-1]) * 111.195 * 0.685
    away = np.hypot(north, east)
    away = away[~np.isnan(away)]
    assert away.max() > 3.0
    assert away.min() == 0.0
    assert 0.3 < (away > 1.0).mean() < 0.9


def test_a_late_feed_tells_of_a_minute_ago(small: Traffic) -> None:
    vehicle = np.array([small.town.index[busiest_vehicle(small)][1]])
    stamps_us = (WEDNESDAY * 86_400 + np.arange(NOW.start, NOW.stop) * 300) * 1_000_000
    ago = small.trajectory(vehicle, stamps_us - 60_000_000)
    shown = _both(small, FaultKind.FEED_LATE, "odometer")[1]
    known = ~np.isnan(shown)
    assert np.allclose(shown[known], np.rint(ago.odometer[0, known]))


def test_a_practice_run_is_on_the_line_and_off_any_timetable(small: Traffic) -> None:
    offset = _both(small, FaultKind.PRACTICE_RUN, "schedule_offset")[1]
    assert np.nanmin(np.abs(offset)) > 1_500.0
    assert np.nanmax(_both(small, FaultKind.PRACTICE_RUN, "occupancy")[1]) == 0.0
    line = small.town.index[busiest_vehicle(small)][1] // small.town.lines.fleet
    stops = small.town.lines.latitude[line, 0, 0]
    latitude = _both(small, FaultKind.PRACTICE_RUN, "latitude")[1]
    assert stops.min() - 0.0003 < np.nanmin(latitude)
    assert np.nanmax(latitude) < stops.max() + 0.0003


def test_broken_counters_show_nothing_twice_as_much_or_an_hour_ago(small: Traffic) -> None:
    usual, dead = _both(small, FaultKind.COUNTER_DEAD, "traffic_flow")
    assert np.nanmin(usual) > 0.0
    assert np.nanmax(dead) == 0.0
    usual, double = _both(small, FaultKind.COUNTER_DOUBLE, "traffic_flow")
    assert not differs(2 * usual, double).any()
    late = _both(small, FaultKind.CLOCK_WRONG, "traffic_flow")[1]
    at = row(small, _asset(small, FaultKind.CLOCK_WRONG), "traffic_flow")
    assert not differs(late, small.values(WEDNESDAY)[at, NOW.start - 12 : NOW.stop - 12]).any()


def test_a_wrong_clock_reaches_over_midnight(small: Traffic) -> None:
    fault = fault_on(FaultKind.CLOCK_WRONG, small.town.counter_names[0], -5, 20)
    at = row(small, fault.asset, "traffic_flow")
    day, before = small.values(WEDNESDAY, (fault,))[at], small.values(WEDNESDAY - 1)[at]
    assert not differs(day[:12], before[-12:]).any()


def test_faults_together_are_the_same_whoever_asks(tiny: Traffic) -> None:
    faults = tuple(_fault(tiny, kind) for kind in BREAKS)
    together = tiny.values(WEDNESDAY, faults)
    again = build(TINY)
    again.values(WEDNESDAY + 5)
    assert again.values(WEDNESDAY, faults).tobytes() == together.tobytes()
    shown = {tiny.series[at].asset for at in np.flatnonzero(differs(together, tiny.values(WEDNESDAY)).any(axis=1))}
    assert shown <= {name for fault in faults for name in tiny.affected(fault)}
