from itertools import pairwise

import numpy as np
import pytest

from simulators.traffic import Traffic
from simulators.traffic.demand import fans_per_h, rain_of, season, sources_per_h
from simulators.traffic.hours import ServiceDay, clock_hours, service_day, service_days
from simulators.traffic.loading import TrafficState, load
from simulators.traffic.streets import metres_between
from simulators.traffic.town import usual_state
from tests.simulators.traffic.conftest import CALENDAR, SURROUNDINGS, WEDNESDAY, busy_road

TUESDAY = service_day(CALENDAR, WEDNESDAY - 1)


def _loaded(traffic: Traffic, factor: float = 1.0, rain_mm_h: float = 0.0, day: ServiceDay = TUESDAY) -> TrafficState:
    town = traffic.town
    sources = factor * sources_per_h(town.streets, town.seed, town.calendar, town.surroundings, day)
    return load(town.streets, sources, np.full(day.steps, rain_mm_h), np.ones((1, 1)))


def test_what_enters_a_segment_leaves_it_or_stands_on_it(small: Traffic) -> None:
    state = usual_state(small.town, TUESDAY)
    change = np.diff(state.stored, axis=1)
    assert np.allclose(change, (state.entered - state.left)[:, 1:], atol=1e-9)
    entered, left = state.entered[:, 1:].sum(), state.left[:, 1:].sum()
    assert entered == pytest.approx(left + change.sum(), rel=1e-9)
    # All that set out have come onto the streets, and reached their destination or are still there.
    town = small.town
    share = town.streets.ends_share
    sources = sources_per_h(town.streets, town.seed, town.calendar, town.surroundings, TUESDAY).sum() / 12
    assert sources == pytest.approx(share * state.left.sum() + state.stored[:, -1].sum(), rel=0.02)


def test_no_more_leaves_than_the_signal_lets_through_and_no_more_stands_than_fits(small: Traffic) -> None:
    state, streets = _loaded(small, factor=1.4), small.town.streets
    assert (state.left <= streets.capacity_per_h[:, None] / 12 + 1e-9).all()
    assert (state.stored <= streets.storage[:, None] + 1e-9).all()
    assert state.stored.min() >= 0.0


def test_travel_time_rises_with_flow_and_with_rain(small: Traffic) -> None:
    usual = _loaded(small)
    hours = clock_hours(CALENDAR, TUESDAY)[:-1]
    rush, night = (hours > 7.5) & (hours < 8.5), (hours > 3.5) & (hours < 4.5)
    gain = usual.run_s[:, rush].mean(axis=1) / usual.run_s[:, night].mean(axis=1)
    ratio = usual.entered[:, rush].mean(axis=1) * 12 / small.town.streets.capacity_per_h
    assert np.corrcoef(gain, ratio)[0, 1] > 0.25
    assert (gain >= 1.0).all()
    assert gain[ratio > 0.95].mean() > 1.1 > gain[ratio < 0.7].mean()
    crowded = _loaded(small, factor=1.15)
    assert crowded.run_s[:, rush].mean() > 1.1 * usual.run_s[:, rush].mean()
    wet = _loaded(small, rain_mm_h=4.0)
    assert wet.run_s[:, night].mean() == pytest.approx(usual.run_s[:, night].mean() / 0.9, rel=0.01)


def test_a_closed_segment_fills_up_and_holds_up_those_before_it(small: Traffic) -> None:
    town, road = small.town, busy_road(small)
    streets = town.streets
    share = np.ones((streets.begin.size, TUESDAY.steps))
    share[road, 60:96] = 0.04
    sources = sources_per_h(streets, town.seed, town.calendar, town.surroundings, TUESDAY)
    dry = np.zeros(TUESDAY.steps)
    usual, closed = (load(streets, sources, dry, open_share) for open_share in (np.ones((1, 1)), share))
    assert np.array_equal(usual.stored[:, :60], closed.stored[:, :60])
    assert closed.stored[road, 70:96].min() > 0.9 * streets.storage[road]
    before = np.flatnonzero(((streets.turn_to == road) & (streets.turn_share > 0.3)).any(axis=1))
    assert closed.stored[before, 95].max() > 3 * usual.stored[before, 95].max()
    # Somebody takes another way.
    assert (closed.entered[:, 70:96].sum(axis=1) > 1.1 * usual.entered[:, 70:96].sum(axis=1)).any()


def test_a_match_brings_cars_to_the_stadium_before_it_and_takes_them_away_after(small: Traffic) -> None:
    streets = small.town.streets
    number = next(day for day in range(WEDNESDAY, WEDNESDAY + 60) if SURROUNDINGS.match(day))
    match = SURROUNDINGS.match(number)
    assert match is not None
    day = service_days(CALENDAR, match.start_us, match.start_us + 1)[0]
    more = fans_per_h(streets, SURROUNDINGS, day)
    assert more is not None
    assert fans_per_h(streets, SURROUNDINGS, TUESDAY) is None
    stadium = SURROUNDINGS.stadium
    latitude = np.append(streets.latitude, stadium.latitude)
    longitude = np.append(streets.longitude, stadium.longitude)
    far = np.full(streets.begin.size, streets.latitude.size)
    north, east = metres_between(latitude, longitude, streets.end, far)
    distance = np.hypot(north, east)
    near, away = distance < 600, distance > 2_000
    wanted_us = np.array([match.start_us - 2_700_000_000, match.end_us + 1_500_000_000], dtype=np.int64)
    shares = more[:, (wanted_us - day.start_us) // 300_000_000]
    assert (shares[near].mean(axis=0) > 5 * shares[away].mean(axis=0)).all()
    assert 0.2 * match.attendance / 2.3 < more.sum() / 24 < 0.4 * match.attendance / 2.3
    come, go = (np.asarray(shares[:, at], dtype=np.float64) for at in (0, 1))
    # Those who come drive towards it, those who go away from it.
    assert np.corrcoef(come, go)[0, 1] < 0.0


def test_workdays_have_two_rush_hours_and_free_days_none(small: Traffic) -> None:
    workday, sunday = (
        usual_state(small.town, service_day(CALENDAR, WEDNESDAY + shift)).entered.sum(axis=0) for shift in (1, 4)
    )
    hours = clock_hours(CALENDAR, TUESDAY)[:-1]
    at = [int(np.argmin(np.abs(hours - hour))) for hour in (7.9, 12.0, 17.1, 4.0)]
    assert workday[at[0]] > 1.3 * workday[at[1]] < 0.85 * workday[at[2]]
    assert sunday[at[0]] < 0.5 * workday[at[0]]
    assert sunday[at[3]] > 1.2 * workday[at[3]]
    assert 0.03 < workday[at[3]] / workday[at[2]] < 0.09


def test_summer_has_less_traffic() -> None:
    assert season(WEDNESDAY + 60) < 0.95 < season(WEDNESDAY - 30)


def test_service_days_follow_one_another_through_daylight_saving() -> None:
    days = [service_day(CALENDAR, number) for number in range(20_535, 20_760)]
    assert all(one.end_us == other.start_us for one, other in pairwise(days))
    assert {day.steps for day in days} == {276, 288, 300}
    assert rain_of(SURROUNDINGS, days[0]).shape == (288,)
