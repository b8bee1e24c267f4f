import numpy as np
import pytest

from simulators.noise import FloatArray
from simulators.waterworks import SMALL, Waterworks
from simulators.waterworks.demand import clock_of, home_shape, persistent, times_us
from tests.simulators.waterworks.making import CALENDAR, MONDAY, built, day_of

_LOCAL = 12  # steps by which local summer time is ahead of UTC


def _days(department: Waterworks, number: int, days: range) -> FloatArray:
    return np.stack([department.truth(number, day).inflow_m3_h for day in days])


def _mean_day(department: Waterworks, days: range) -> FloatArray:
    shares = [_days(department, number, days).mean(axis=0) for number in range(4)]
    mean: FloatArray = np.roll(np.mean([each / each.mean() for each in shares], axis=0), _LOCAL)
    return mean


def test_a_working_day_has_two_humps(small: Waterworks) -> None:
    day = _mean_day(small, range(MONDAY, MONDAY + 4))
    morning, noon, evening = day[4 * 6 : 4 * 9], day[4 * 11 : 4 * 16], day[4 * 18 : 4 * 22]
    assert morning.max() > 1.12 * noon.min()
    assert evening.max() > 1.12 * noon.min()
    assert 1.3 < day.max() < 2.0


def test_night_flow_is_a_fifth_to_a_third_of_the_mean(small: Waterworks) -> None:
    for number in range(8):
        day = _days(small, number, range(MONDAY, MONDAY + 3)).mean(axis=0)
        assert 0.15 < day.min() / day.mean() < 0.35
        assert (np.argmin(day) + _LOCAL) % 96 in range(4, 22)


def test_a_day_off_begins_later_and_a_holiday_is_one(small: Waterworks) -> None:
    from datetime import UTC, datetime

    def eight_to_ten(day: int) -> float:
        flow = np.mean([small.truth(number, day).inflow_m3_h for number in range(4)], axis=0)
        early, late = flow[4 * 4 : 4 * 5].mean(), flow[4 * 7 : 4 * 8].mean()
        return float(late / early)

    saturday, holiday = MONDAY + 5, day_of(2026, 12, 1)
    assert datetime.fromtimestamp(holiday * 86_400, UTC).isoweekday() == 2
    assert eight_to_ten(saturday) > 1.15 * eight_to_ten(MONDAY + 1)
    # In winter the same local hours come an hour later in UTC; compare with another Tuesday in winter.
    winter = [np.mean([small.truth(n, day).inflow_m3_h for n in range(4)], axis=0) for day in (holiday, holiday + 14)]
    assert winter[0][20:24].mean() < 0.85 * winter[1][20:24].mean()


def test_dry_warm_evenings_water_gardens() -> None:
    department = built(SMALL)
    summer = [
        (clock_of(CALENDAR, department._hydraulics._surroundings, day, 900).garden.max(), day)
        for day in range(MONDAY, MONDAY + 60)
    ]
    driest, wettest = max(summer)[1], min(summer)[1]
    assert max(summer)[0] > 0.5
    assert min(summer)[0] < 0.1
    evening = slice(4 * 16, 4 * 19)
    flows = [
        sum(department.truth(number, day).inflow_m3_h[evening].mean() for number in range(8))
        for day in (driest, wettest)
    ]
    assert flows[0] > 1.03 * flows[1]
    winter = clock_of(CALENDAR, department._hydraulics._surroundings, day_of(2026, 1, 14), 900).garden
    assert winter.max() == 0


def test_flows_and_pressures_follow_themselves(small: Waterworks) -> None:
    values = np.concatenate([small.values(MONDAY + day) for day in range(4)], axis=1)
    for row in (0, 1, 150, 151):
        known = ~np.isnan(values[row, :-1] + values[row, 1:])
        assert np.corrcoef(values[row, :-1][known], values[row, 1:][known])[0, 1] > 0.8


def test_what_differs_from_habit_is_a_few_percent_and_lasts_for_hours(small: Waterworks) -> None:
    flows = _days(small, 0, range(MONDAY, MONDAY + 26))
    days = [day for day in range(26) if day % 7 < 5]
    flows = flows[days] / flows[days].mean(axis=1, keepdims=True)
    residual = flows - np.median(flows, axis=0)
    assert 0.03 < residual.std() < 0.09
    lag = np.corrcoef(residual[:, :-1].ravel(), residual[:, 1:].ravel())[0, 1]
    assert 0.7 < lag < 0.98


def test_pressure_falls_as_flow_rises(small: Waterworks) -> None:
    truth = small.truth(2, MONDAY)
    lost = truth.level_m[:-1] - truth.pressures_m
    assert all(np.corrcoef(row, truth.inflow_m3_h**2)[0, 1] > 0.97 for row in lost)


def test_pumps_are_switched_some_times_a_day_by_the_level(small: Waterworks) -> None:
    starts, lead = [], np.zeros(2)
    for number in range(8):
        truth = small.truth(number, MONDAY)
        starts.append(int((np.diff(truth.running, axis=1) > 0).sum()))
        lead += truth.running.mean(axis=1)
        full_speed = truth.power_w[truth.power_w > 0]
        assert 1_000 < full_speed.min() < full_speed.max() < 40_000
        assert np.array_equal(truth.running > 0, truth.pumped_m3_h > 0)
    assert 2 <= np.mean(starts) <= 8
    assert 0.4 < lead[0] / lead[1] < 2.5


def test_chlorine_decays_on_its_way(small: Waterworks) -> None:
    for number in range(8):
        truth = small.truth(number, MONDAY)
        assert truth.chlorine_mg_l[1].mean() < truth.chlorine_mg_l[0].mean()
        assert 0.1 < truth.chlorine_mg_l.min() < truth.chlorine_mg_l.max() < 0.6
        assert 0.01 < truth.turbidity_ntu.min() < truth.turbidity_ntu.max() < 0.6


def test_some_samples_are_missing(small: Waterworks) -> None:
    share = np.mean([np.isnan(small.values(MONDAY + day)).mean() for day in range(4)])
    assert 0.005 < share < 0.01


def test_instruments_have_a_resolution(small: Waterworks) -> None:
    values = small.values(MONDAY)
    for row, unit in ((0, 0.04), (9, 0.001), (10, 0.1), (11, 10.0), (12, 1.0), (16, 0.001), (20, 0.004)):
        shown = values[row][~np.isnan(values[row])] / unit
        assert np.abs(shown - np.rint(shown)).max() < 1e-6
    steps = {len(set(values[row][~np.isnan(values[row])].tolist())) for row in range(1, 9)}
    assert max(steps) > 1.3 * min(steps)


def test_noise_knows_no_seam_at_midnight() -> None:
    both = np.concatenate([persistent(3, "seam", 100 + day, (400, 96), 0.9) for day in (0, 1)], axis=1)
    change = np.diff(both, axis=1).std(axis=0)
    assert change[95] == pytest.approx(change.mean(), rel=0.15)
    assert both.std() == pytest.approx(1.0, rel=0.05)


def test_homes_take_their_mean() -> None:
    hour = np.arange(96) / 4
    for off in (False, True):
        assert home_shape(hour, np.full(96, off)).mean() == pytest.approx(0.96, abs=0.03)
    assert times_us(1, 900)[0] == 86_400_000_000
