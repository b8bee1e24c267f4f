import numpy as np
import pytest

from simulators.fault import FaultKind
from simulators.waterworks import BREAKS, LASTS_H, Waterworks
from simulators.waterworks.breaks import broken_junction, broken_sensor, grown
from simulators.waterworks.demand import times_us
from simulators.waterworks.instruments import late_us, offset_m
from simulators.waterworks.template import TANK_FULL_M, TANK_RIM_M
from tests.simulators.waterworks.making import MONDAY, broken, differs, row_of, seen

_BEGIN, _END = 36, 52


def test_each_kind_has_durations_and_a_kind_of_asset(small: Waterworks) -> None:
    kinds = {asset.kind for asset in small.assets}
    assert BREAKS.keys() == LASTS_H.keys()
    assert {kind for on in BREAKS.values() for kind in on} <= kinds
    assert all(0 < shortest < longest for shortest, longest in LASTS_H.values())


def test_a_burst_takes_water_and_pressure_most_of_all_near(small: Waterworks) -> None:
    nearest = 0
    for number in range(8):
        dma = small.dmas[number]
        fault = broken(FaultKind.BURST, f"pipe-{dma.code}-1")
        calm, burst = small.truth(number, MONDAY), small.truth(number, MONDAY, (fault,))
        more = (burst.inflow_m3_h - calm.inflow_m3_h)[_BEGIN:_END] / dma.mean_m3_h
        assert 0.38 < more.min() < more.max() < 0.5
        drops = (calm.pressures_m - burst.pressures_m)[:, _BEGIN:_END].mean(axis=1)
        assert drops.min() > 0
        assert drops.max() > max(0.8, 1.15 * drops.min())
        at = dma.template.pipes[dma.pipes[0]].end
        away = np.hypot(
            dma.template.x_m[dma.sensors] - dma.template.x_m[at], dma.template.y_m[dma.sensors] - dma.template.y_m[at]
        )
        nearest += int(np.argmax(drops)) in np.argsort(away)[:2]
        assert burst.escaping_m3_h[:_BEGIN].max() < 1e-4
        assert burst.escaping_m3_h[_END:].max() < 1e-4
    assert nearest >= 6


def test_magnitude_scales_a_burst_less_than_in_proportion(small: Waterworks) -> None:
    lost = [
        small.truth(0, MONDAY, (broken(FaultKind.BURST, "dma-001", magnitude=size),)).escaping_m3_h[_BEGIN:_END].mean()
        for size in (0.5, 1.0, 3.0)
    ]
    assert 1.9 < lost[1] / lost[0] < 2.0  # more flow, less pressure
    assert 2.6 < lost[2] / lost[1] < 3.0


def test_a_burst_on_a_dma_is_anywhere_and_always_at_the_same_junction(small: Waterworks) -> None:
    from simulators.waterworks.breaks import Target

    dma, target = small.dmas[0], Target(0, "dma", "")
    places = {broken_junction(dma, broken(FaultKind.BURST, "dma-001", start_h=hour / 4), target) for hour in range(80)}
    assert len(places) > 12


def test_a_leak_grows_over_a_day_or_its_span(small: Waterworks) -> None:
    leak = broken(FaultKind.BACKGROUND_LEAK, "dma-002", hours=60.0)
    first, second, third = (small.truth(1, MONDAY + day, (leak,)).escaping_m3_h for day in range(3))
    assert np.abs(first[:_BEGIN]).max() < 1e-4
    assert first[_BEGIN + 8] < first[70] < first[95] < second[_BEGIN]
    mean = small.dmas[1].mean_m3_h
    assert 0.18 * mean < third[:_BEGIN].mean() < 0.24 * mean
    assert third[84:].max() < 1e-4
    short = broken(FaultKind.BACKGROUND_LEAK, "dma-002", hours=6.0)
    assert grown(short, times_us(MONDAY, 900))[_BEGIN + 12] == pytest.approx(0.5)


def test_a_leak_leaks_more_by_night_when_pressure_is_high(small: Waterworks) -> None:
    truth = small.truth(1, MONDAY + 2, (broken(FaultKind.BACKGROUND_LEAK, "dma-002", hours=90.0),))
    night, peak = slice(0, 8), slice(66, 72)
    assert truth.escaping_m3_h[night].mean() > 1.02 * truth.escaping_m3_h[peak].mean()


def test_a_stuck_inlet_takes_pressure_everywhere_and_no_water(small: Waterworks) -> None:
    calm = small.truth(0, MONDAY)
    stuck = small.truth(0, MONDAY, (broken(FaultKind.STUCK_VALVE, "valve-001-inlet", hours=12.0),))
    drops = (calm.pressures_m - stuck.pressures_m)[:, _BEGIN:84]
    assert drops.min() > 0.5
    assert drops.mean() > 4.0
    assert drops.max() < 25
    assert stuck.pressures_m.min() > 5
    assert stuck.inflow_m3_h == pytest.approx(calm.inflow_m3_h, rel=1e-4)


def test_a_stuck_section_valve_takes_pressure_behind_it(small: Waterworks) -> None:
    unequal = 0
    for number in range(8):
        fault = broken(FaultKind.STUCK_VALVE, f"valve-{number + 1:03d}-section", hours=12.0)
        calm, stuck = small.truth(number, MONDAY), small.truth(number, MONDAY, (fault,))
        drops = (calm.pressures_m - stuck.pressures_m)[:, _BEGIN:84].mean(axis=1)
        assert drops.max() > 0.3
        unequal += drops.max() > 3 * max(drops.min(), 0.0)
    assert unequal >= 6


def test_a_lost_pump_stands_still_and_the_tank_gets_low(small: Waterworks) -> None:
    for pump in ("1", "2"):
        fault = broken(FaultKind.PUMP_LOSS, f"pump-001-{pump}", hours=12.0)
        calm, lost = small.truth(0, MONDAY), small.truth(0, MONDAY, (fault,))
        assert calm.running[int(pump) - 1, _BEGIN:84].max() == 1
        assert lost.running[int(pump) - 1, _BEGIN:84].max() == 0
        assert lost.pumped_m3_h[int(pump) - 1, _BEGIN:84].max() == 0
        assert lost.level_m[_BEGIN:84].min() < calm.level_m.min() - 0.3
        assert lost.level_m.min() > 0.5
        assert lost.inflow_m3_h == pytest.approx(calm.inflow_m3_h, rel=1e-4)


def test_without_both_pumps_the_tank_runs_empty(small: Waterworks) -> None:
    fault = broken(FaultKind.PUMP_LOSS, "pump_station-001", hours=12.0)
    truth = small.truth(0, MONDAY, (fault,))
    assert truth.running[:, _BEGIN:84].max() == 0
    assert np.all(np.diff(truth.level_m[_BEGIN:84]) <= 0)
    assert truth.level_m.min() == 0


def test_a_tank_with_a_failed_switch_runs_over(small: Waterworks) -> None:
    fault = broken(FaultKind.TANK_OVERFLOW, "tank-001", hours=8.0)
    calm, over = small.truth(0, MONDAY), small.truth(0, MONDAY, (fault,))
    assert calm.level_m.max() == pytest.approx(TANK_FULL_M)
    assert over.level_m.max() == TANK_RIM_M
    assert over.running[:, _BEGIN : _BEGIN + 32].min() == 1
    spilling = over.spilt_m3_h > 0
    assert spilling.sum() > 8
    assert over.spilt_m3_h[spilling][1:-1] == pytest.approx(
        (over.pumped_m3_h.sum(axis=0) - over.inflow_m3_h)[spilling][1:-1]
    )
    assert seen(small, "tank-001", "level", MONDAY, fault)[68 - 4] == pytest.approx(TANK_RIM_M, abs=0.02)


def test_foreign_water_reaches_the_far_station_later(small: Waterworks) -> None:
    fault = broken(FaultKind.CONTAMINATION, "tank-001", hours=6.0)
    calm, foul = small.truth(0, MONDAY), small.truth(0, MONDAY, (fault,))
    begins = [int(np.flatnonzero(calm.chlorine_mg_l[at] - foul.chlorine_mg_l[at] > 0.01)[0]) for at in (0, 1)]
    assert _BEGIN <= begins[0] <= _BEGIN + 2
    assert begins[0] + 4 < begins[1] < begins[0] + 30
    for station in (0, 1):
        assert foul.chlorine_mg_l[station].min() < 0.4 * calm.chlorine_mg_l[station].min()
        assert foul.turbidity_ntu[station].max() > 1.5
        assert np.all(foul.turbidity_ntu[station] >= calm.turbidity_ntu[station])
    assert foul.pressures_m == pytest.approx(calm.pressures_m)


def test_what_enters_in_the_network_never_reaches_the_tanks_outlet(small: Waterworks) -> None:
    fault = broken(FaultKind.CONTAMINATION, "dma-001", hours=6.0)
    calm, foul = small.truth(0, MONDAY), small.truth(0, MONDAY, (fault,))
    assert np.array_equal(calm.chlorine_mg_l[0], foul.chlorine_mg_l[0])
    assert foul.chlorine_mg_l[1].min() < 0.5 * calm.chlorine_mg_l[1].min()


@pytest.mark.parametrize("asset", ["dma-001", "customer_meter-001-0007"])
def test_a_stopped_meter_shows_nothing_of_what_flows(small: Waterworks, asset: str) -> None:
    fault = broken(FaultKind.METER_STOPPED, asset)
    assert np.nanmax(seen(small, asset, "flow", MONDAY, fault)[_BEGIN:_END]) == 0
    assert np.nanmin(seen(small, asset, "flow", MONDAY)[_BEGIN:_END]) > 0
    changed = differs(small.values(MONDAY, (fault,)), small.values(MONDAY)).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [row_of(small, asset, "flow")]


def test_a_drifting_meter_drifts_up_or_down_more_every_day(small: Waterworks) -> None:
    signs = set()
    for hour in (9.0, 9.25, 9.5, 9.75, 10.0, 10.25):
        fault = broken(FaultKind.METER_DRIFT, "dma-001", hours=200.0, start_h=hour)
        parts = [
            np.nanmean(seen(small, "dma-001", "flow", MONDAY + day, fault))
            / np.nanmean(seen(small, "dma-001", "flow", MONDAY + day))
            - 1.0
            for day in (1, 4)
        ]
        assert abs(parts[1]) > 2 * abs(parts[0]) > 0.08
        assert parts[0] * parts[1] > 0
        signs.add(float(np.sign(parts[1])))
    assert signs == {-1.0, 1.0}


@pytest.mark.parametrize("asset", ["dma-001", "customer_meter-001-0007"])
def test_a_stuck_meter_repeats_what_it_showed_last_over_midnight(small: Waterworks, asset: str) -> None:
    fault = broken(FaultKind.METER_STUCK, asset, hours=30.0)
    calm = small.values(MONDAY)
    row = row_of(small, asset, "flow")
    shown = {
        float(value)
        for day, steps in ((MONDAY, slice(_BEGIN, None)), (MONDAY + 1, slice(0, 60)))
        for value in small.values(day, (fault,))[row, steps]
        if not np.isnan(value)
    }
    assert len(shown) == 1
    assert np.isnan(calm[row, _BEGIN - 1]) or shown == {float(calm[row, _BEGIN - 1])}


def test_a_stuck_pressure_sensor_repeats_and_is_one(small: Waterworks) -> None:
    fault = broken(FaultKind.PRESSURE_STUCK, "dma-001", hours=20.0)
    row = 1 + broken_sensor(small.dmas[0], fault)
    stuck = small.values(MONDAY, (fault,))
    assert np.flatnonzero(differs(stuck, small.values(MONDAY)).any(axis=1)).tolist() == [row]
    held = stuck[row, _BEGIN:]
    assert len(set(held[~np.isnan(held)].tolist())) == 1
    assert small.affected(fault) == ("dma-001", f"pressure_sensor-001-{row}")


def test_a_pressure_sensor_is_off_by_a_constant(small: Waterworks) -> None:
    sizes = []
    for hour in range(12):
        fault = broken(FaultKind.PRESSURE_OFFSET, "dma-001", start_h=float(hour))
        row = 1 + broken_sensor(small.dmas[0], fault)
        off = (small.values(MONDAY, (fault,)) - small.values(MONDAY))[row, 4 * hour : 4 * hour + 16]
        assert np.nanmax(np.abs(off - offset_m(fault))) < 1e-9
        sizes.append(offset_m(fault))
    assert min(np.abs(sizes)) >= 1.5
    assert max(np.abs(sizes)) <= 4.0
    assert min(sizes) < 0 < max(sizes)


@pytest.mark.parametrize("asset", ["dma-001", "tank-001", "quality_station-001-far", "customer_meter-001-0007"])
def test_a_wrong_clock_shows_another_time_also_over_midnight(small: Waterworks, asset: str) -> None:
    fault = broken(FaultKind.CLOCK_WRONG, asset, hours=30.0)
    back = late_us(fault) // 900_000_000
    assert back in {4, 8}
    for row in [at for at, series in enumerate(small.series) if series.asset == asset]:
        calm = np.concatenate([small.values(MONDAY + day)[row] for day in (0, 1)])
        wrong = np.concatenate([small.values(MONDAY + day, (fault,))[row] for day in (0, 1)])
        span = slice(_BEGIN, _BEGIN + 120)
        expected = calm[_BEGIN - back : _BEGIN - back + 120]
        known = ~np.isnan(expected + wrong[span])
        assert known.sum() > 100
        assert np.array_equal(wrong[span][known], expected[known])


def test_a_liar_lies_about_a_burst_too(small: Waterworks) -> None:
    burst, stopped = broken(FaultKind.BURST, "dma-001"), broken(FaultKind.METER_STOPPED, "dma-001")
    both = small.values(MONDAY, (burst, stopped))
    assert np.nanmax(both[0, _BEGIN:_END]) == 0
    assert np.array_equal(both[1:], small.values(MONDAY, (burst,))[1:], equal_nan=True)
