from datetime import timedelta

import numpy as np
import pytest

from core.errors import PermanentError
from simulators.city import City
from simulators.fault import Fault, FaultKind
from simulators.ground import ground_values
from simulators.lighting import CABINET_W, CABLE_OHM, POWER_FACTOR, lighting_day
from simulators.water import STEP_H, TANK_AREA_M2, water_day, water_values
from tests.simulators.table import MONDAY, MONDAY_DAY, SATURDAY, table

_DAY = timedelta(days=1)


def test_feeders_deliver_what_their_lamps_take_and_what_the_cable_loses(city: City) -> None:
    seen = table(city, MONDAY, MONDAY + _DAY)
    for feeder in (1, 2):
        lamps = sum(seen[f"lamp-{number:02d}", "active_power"] for number in range(20 * feeder - 19, 20 * feeder + 1))
        assert isinstance(lamps, np.ndarray)
        voltage = seen[f"feeder-{feeder}", "voltage"]
        expected = lamps + CABLE_OHM * (lamps / (voltage * POWER_FACTOR)) ** 2 + CABINET_W
        known = ~np.isnan(expected + seen[f"feeder-{feeder}", "active_power"])
        assert known.sum() > 150
        error = (seen[f"feeder-{feeder}", "active_power"] - expected)[known]
        assert np.abs(error / np.maximum(expected[known], 200.0)).max() < 0.015


def test_current_is_power_by_voltage_and_power_factor(city: City) -> None:
    seen = table(city, MONDAY, MONDAY + _DAY)
    current = seen["feeder-1", "active_power"] / (seen["feeder-1", "voltage"] * POWER_FACTOR)
    known = ~np.isnan(current + seen["feeder-1", "current"])
    assert np.allclose(current[known], seen["feeder-1", "current"][known], rtol=0.01, atol=0.002)


def test_lamps_burn_when_the_sun_is_down_and_are_dimmed_late(city: City) -> None:
    seen = table(city, MONDAY, MONDAY + _DAY)
    lamp = seen["lamp-07", "active_power"]
    # Local time is two hours ahead; sunset is at about 16:50 local, sunrise at about 7:15.
    evening, late, noon = lamp[12 * 16 : 12 * 20], lamp[12 * 22 : 12 * 24], lamp[12 * 8 : 12 * 13]
    assert np.nanmin(evening) > 70
    assert np.nanmean(late) / np.nanmean(evening) == pytest.approx(0.6, abs=0.03)
    assert np.nanmax(noon) < 1
    assert np.nanmin(noon) > 0


def test_lamps_differ_by_a_few_percent(city: City) -> None:
    seen = table(city, MONDAY, MONDAY + _DAY)
    means = np.array([np.nanmean(seen[f"lamp-{n:02d}", "active_power"][12 * 16 : 12 * 20]) for n in range(1, 41)])
    assert 0.01 < means.std() / means.mean() < 0.06


def test_summer_nights_are_shorter(city: City) -> None:
    november, june = (lighting_day(city, MONDAY_DAY + shift).burns.sum() for shift in (0, 365 - 141))
    assert november > 1.5 * june


def test_tank_level_is_the_sum_of_what_came_and_what_went(city: City) -> None:
    seen = table(city, MONDAY, MONDAY + _DAY)
    flow, level = seen["dma-1", "flow"], seen["tank-1", "level"]
    supply = water_day(city.seed, city.calendar, MONDAY_DAY).supply
    step, known = np.arange(flow.size), ~np.isnan(flow)
    gapless = np.interp(step, step[known], flow[known])
    balance = level[0] + np.cumsum(supply - gapless) * STEP_H / TANK_AREA_M2
    assert np.nanmax(np.abs(level[1:] - balance[:-1])) < 0.03
    assert np.nanmax(level) - np.nanmin(level) > 0.5


def test_tank_stays_within_bounds_and_knows_no_seam_at_midnight(city: City) -> None:
    level = table(city, MONDAY, MONDAY + 14 * _DAY)["tank-1", "level"]
    assert np.nanmin(level) > 0.8
    assert np.nanmax(level) < 5.5
    assert np.nanmax(np.abs(np.diff(level))) < 0.06


def test_pressure_falls_as_flow_rises_most_at_the_far_end(city: City) -> None:
    seen = table(city, MONDAY, MONDAY + 2 * _DAY)
    flow = seen["dma-1", "flow"]
    slopes = []
    for sensor in range(1, 7):
        pressure = seen["dma-1", f"pressure_{sensor}"]
        known = ~np.isnan(flow + pressure)
        slopes.append(np.polyfit(flow[known] ** 2, pressure[known], 1)[0])
    assert max(slopes) < 0
    assert slopes == sorted(slopes, reverse=True)


def test_weekend_mornings_are_later(city: City) -> None:
    workday = table(city, MONDAY, MONDAY + _DAY)["dma-1", "flow"]
    saturday = table(city, SATURDAY, SATURDAY + _DAY)["dma-1", "flow"]
    at_half_past_seven = slice(12 * 5, 12 * 6)
    assert np.nanmean(workday[at_half_past_seven]) > 1.15 * np.nanmean(saturday[at_half_past_seven])
    at_three_in_the_night = slice(12 * 0, 12 * 2)
    assert np.nanmean(workday[at_three_in_the_night]) < 0.6 * np.nanmean(workday[at_half_past_seven])


def test_about_one_percent_of_samples_is_missing(city: City) -> None:
    share = np.mean([np.isnan(ground_values(city, MONDAY_DAY + day)).mean() for day in range(7)])
    assert 0.008 < share < 0.012


def test_values_have_the_resolution_of_a_sensor(city: City) -> None:
    for row, decimals in ((0, 1), (1, 2), (7, 3)):
        values = water_values(city, MONDAY_DAY)[row]
        assert np.array_equal(values, np.round(values, decimals))


def _fault(kind: FaultKind, asset: str, hours: float = 4.0, magnitude: float = 1.0) -> Fault:
    start = MONDAY + timedelta(hours=9)
    return Fault(kind, asset, start, start + timedelta(hours=hours), magnitude)


_BEGIN, _END = 9 * 12, 13 * 12


def test_a_burst_takes_water_and_unequal_pressure_and_drains_the_tank(city: City) -> None:
    calm = water_values(city, MONDAY_DAY)
    burst = water_values(city, MONDAY_DAY, (_fault(FaultKind.BURST, "dma-1"),))
    rise = burst[0, _BEGIN:_END].mean() / calm[0, _BEGIN:_END].mean()
    assert 1.35 < rise < 1.55
    drops = (calm - burst)[1:7, _BEGIN:_END].mean(axis=1)
    assert drops.min() > 0.5
    assert drops.max() > 2 * drops.min()
    assert burst[7, _END - 1] < calm[7, _END - 1] - 0.5
    assert abs(burst[0, _END] - calm[0, _END]) == 0


def test_the_tank_recovers_after_a_burst(city: City) -> None:
    faults = (_fault(FaultKind.BURST, "dma-1"),)
    gaps = [
        float(np.abs(water_values(city, MONDAY_DAY + day)[7] - water_values(city, MONDAY_DAY + day, faults)[7]).mean())
        for day in (0, 1, 3)
    ]
    assert gaps[1] > gaps[2]
    assert gaps[2] < 0.02


def test_a_leak_grows_over_a_day(city: City) -> None:
    leak = _fault(FaultKind.BACKGROUND_LEAK, "dma-1", hours=40)
    extra = [
        water_values(city, MONDAY_DAY + day, (leak,))[0] - water_values(city, MONDAY_DAY + day)[0] for day in (0, 1)
    ]
    assert extra[0][_BEGIN] == pytest.approx(0.0, abs=0.11)
    assert 0 < extra[0][_BEGIN + 36] < extra[0][287] < extra[1][_BEGIN]
    assert extra[1][_BEGIN + 12] == pytest.approx(extra[1][_BEGIN + 120], abs=0.21)


def test_magnitude_scales_a_burst(city: City) -> None:
    calm = water_values(city, MONDAY_DAY)[0, _BEGIN]
    rises = [
        water_values(city, MONDAY_DAY, (_fault(FaultKind.BURST, "dma-1", magnitude=size),))[0, _BEGIN] - calm
        for size in (0.5, 1.0)
    ]
    assert rises[1] == pytest.approx(2 * rises[0], abs=0.3)


def test_one_stuck_sensor_repeats_what_it_said_last(city: City) -> None:
    calm = water_values(city, MONDAY_DAY)
    stuck = water_values(city, MONDAY_DAY, (_fault(FaultKind.PRESSURE_STUCK, "dma-1"),))
    changed = np.flatnonzero((stuck != calm).any(axis=1))
    assert changed.size == 1
    assert 1 <= changed[0] <= 6
    assert set(stuck[changed[0], _BEGIN:_END].tolist()) == {float(calm[changed[0], _BEGIN - 1])}


def test_a_sensor_stays_stuck_over_midnight(city: City) -> None:
    fault = _fault(FaultKind.PRESSURE_STUCK, "dma-1", hours=30)
    today, tomorrow = (water_values(city, MONDAY_DAY + day, (fault,)) for day in (0, 1))
    row = np.flatnonzero((today != water_values(city, MONDAY_DAY)).any(axis=1))[0]
    assert set(tomorrow[row, : 12 * 15].tolist()) == {float(today[row, -1])}


def test_a_lamp_that_is_out_is_dark_by_night_and_its_feeder_takes_less(city: City) -> None:
    fault = (_fault(FaultKind.LAMP_OUT, "lamp-33", hours=14),)
    calm, out = (table(city, MONDAY, MONDAY + _DAY, faults) for faults in ((), fault))
    night, day = slice(12 * 16, 12 * 23), slice(12 * 10, 12 * 13)
    assert np.nanmax(out["lamp-33", "active_power"][night]) == 0
    assert np.array_equal(out["lamp-33", "active_power"][day], calm["lamp-33", "active_power"][day], equal_nan=True)
    less = calm["feeder-2", "active_power"][night] - out["feeder-2", "active_power"][night]
    assert 40 < np.nanmin(less) < np.nanmax(less) < 120


def test_a_day_burner_burns_by_day_and_as_ever_by_night(city: City) -> None:
    fault = (_fault(FaultKind.DAY_BURNER, "lamp-02", hours=14),)
    calm, burner = (table(city, MONDAY, MONDAY + _DAY, faults) for faults in ((), fault))
    assert np.nanmin(burner["lamp-02", "active_power"][12 * 9 : 12 * 14]) > 70
    night = slice(12 * 16, 12 * 23)
    same = np.array_equal(
        burner["lamp-02", "active_power"][night], calm["lamp-02", "active_power"][night], equal_nan=True
    )
    assert same


def test_a_lost_feeder_takes_its_lamps_with_it_and_no_others(city: City) -> None:
    start = MONDAY + timedelta(hours=18)
    fault = Fault(FaultKind.FEEDER_LOSS, "feeder-1", start, start + timedelta(hours=2))
    calm, lost = (table(city, MONDAY, MONDAY + _DAY, faults) for faults in ((), (fault,)))
    span = slice(12 * 18, 12 * 20)
    for metric in ("active_power", "voltage", "current"):
        assert np.nanmax(lost["feeder-1", metric][span]) == 0
    assert np.nanmax(lost["lamp-20", "active_power"][span]) == 0
    assert np.array_equal(lost["lamp-21", "active_power"], calm["lamp-21", "active_power"], equal_nan=True)
    assert np.array_equal(
        lost["feeder-1", "voltage"][12 * 20 :], calm["feeder-1", "voltage"][12 * 20 :], equal_nan=True
    )


def test_a_fault_of_an_unknown_asset_is_refused(city: City) -> None:
    with pytest.raises(PermanentError, match="lamp-99"):
        table(city, MONDAY, MONDAY + _DAY, (_fault(FaultKind.LAMP_OUT, "lamp-99"),))
