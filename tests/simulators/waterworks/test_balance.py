import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.fault import Fault, FaultKind
from simulators.waterworks import TINY, Truth, Waterworks
from simulators.waterworks.instruments import counted
from simulators.waterworks.supply import area_m2
from simulators.waterworks.template import TANK_FULL_M
from tests.simulators.waterworks.making import MONDAY, STEPS, at, broken, built, seen

_FAULTS = (
    (),
    (broken(FaultKind.BURST, "dma-001", hours=20.0, magnitude=2.0),),
    (broken(FaultKind.TANK_OVERFLOW, "tank-001", hours=8.0),),
    (broken(FaultKind.PUMP_LOSS, "pump_station-001", hours=12.0),),
    (
        broken(FaultKind.PUMP_LOSS, "pump-001-1", hours=12.0),
        broken(FaultKind.BACKGROUND_LEAK, "pipe-001-2", hours=40.0),
    ),
)


def _tank_error_m3(department: Waterworks, number: int, truth: Truth) -> float:
    area = area_m2(department.dmas[number].template)
    net = (truth.pumped_m3_h.sum(axis=0) - truth.inflow_m3_h - truth.spilt_m3_h) * 0.25
    return float(np.abs(np.diff(truth.level_m) * area - net).max())


@pytest.mark.parametrize("faults", _FAULTS)
def test_what_comes_in_is_what_customers_get_and_what_escapes(small: Waterworks, faults: tuple[Fault, ...]) -> None:
    for day in (MONDAY, MONDAY + 1):
        truth = small.truth(0, day, faults)
        out = truth.customers_m3_h.sum(axis=0) + truth.leakage_m3_h + truth.escaping_m3_h
        assert np.abs(out - truth.inflow_m3_h).max() < 1e-4
        assert _tank_error_m3(small, 0, truth) < 1e-6


def test_the_shown_flows_balance_within_one_percent(small: Waterworks) -> None:
    values = small.values(MONDAY)
    for number, dma in enumerate(small.dmas):
        block = values[number * 150 : (number + 1) * 150]
        truth = small.truth(number, MONDAY)
        meters = np.where(np.isnan(block[20:]), truth.customers_m3_h, block[20:])
        error = meters.sum(axis=0) + dma.leakage_m3_h - block[0]
        assert np.nanmax(np.abs(error / block[0])) < 0.01


def test_the_tanks_shown_day_balances_by_hand(small: Waterworks) -> None:
    flow, level = (seen(small, asset, metric, MONDAY) for asset, metric in (("dma-001", "flow"), ("tank-001", "level")))
    pumps = sum(seen(small, f"pump-001-{pump}", "flow", MONDAY) for pump in (1, 2))
    net = pumps - flow
    gapless = np.interp(np.arange(STEPS), np.flatnonzero(~np.isnan(net)), net[~np.isnan(net)])
    change = (np.nansum(gapless[:-1]) * 0.25) / area_m2(small.dmas[0].template)
    assert change == pytest.approx(
        level[-1] - level[0], abs=0.01 * np.nansum(flow) * 0.25 / area_m2(small.dmas[0].template)
    )


def test_a_day_begins_where_the_day_before_ended(small: Waterworks) -> None:
    for number in range(8):
        for day in range(MONDAY, MONDAY + 60, 10):
            end, begin = small.truth(number, day).level_m[-1], small.truth(number, day + 1).level_m[0]
            assert begin == pytest.approx(end, abs=1e-6)


def test_no_seam_either_when_a_faults_trace_has_gone() -> None:
    department = built(TINY)
    for kind, asset, hours in (
        (FaultKind.BURST, "dma-001", 60.0),
        (FaultKind.PUMP_LOSS, "pump_station-001", 30.0),
        (FaultKind.TANK_OVERFLOW, "tank-001", 30.0),
    ):
        fault = broken(kind, asset, hours=hours, magnitude=3.0)
        for day in range(MONDAY, MONDAY + 7):
            end, begin = (department.truth(0, day + shift, (fault,)).level_m[edge] for shift, edge in ((0, -1), (1, 0)))
            assert begin == pytest.approx(end, abs=1e-3), (kind, day - MONDAY)


def test_the_tank_is_full_at_six_and_never_empty_nor_over(small: Waterworks) -> None:
    for day in range(MONDAY - 300, MONDAY + 60, 50):
        for number in range(8):
            truth = small.truth(number, day)
            assert truth.level_m[12:28].max() == pytest.approx(TANK_FULL_M, abs=1e-6)
            assert truth.level_m.min() > 0.25 * TANK_FULL_M
            assert truth.level_m.max() < TANK_FULL_M + 1e-6
            assert truth.spilt_m3_h.max() == 0


def test_an_empty_tank_serves_what_comes(small: Waterworks) -> None:
    fault = broken(FaultKind.PUMP_LOSS, "pump_station-001", hours=14.0)
    truth = small.truth(0, MONDAY, (fault,))
    assert truth.level_m.min() == 0
    dry = np.flatnonzero(truth.inflow_m3_h == 0)
    assert dry.size > 8
    assert truth.customers_m3_h[:, dry].max() == 0
    assert truth.pressures_m[:, dry].max() == 0


@settings(max_examples=60)
@given(
    flows=st.lists(st.floats(0.0, 50.0), min_size=4, max_size=96),
    pulse=st.sampled_from([0.001, 0.01, 0.1]),
    phase=st.floats(0.0, 0.999),
)
def test_a_meter_loses_no_water_over_a_day(flows: list[float], pulse: float, phase: float) -> None:
    shown = counted(np.array([flows]), np.array([pulse]), 900, np.array([phase]))
    assert shown.min() >= 0
    assert abs(shown.sum() - sum(flows)) * 0.25 <= pulse * 1.01 + 1e-6 * len(flows)


def test_other_steps_and_zones_balance_too() -> None:
    from core.calendar import Calendar

    for zone, step_s in (("America/Los_Angeles", 300), ("Asia/Kolkata", 1_800), ("Pacific/Auckland", 3_600)):
        department = built(TINY, calendar=Calendar(zone), step_s=step_s)
        for day in (MONDAY, MONDAY + 1):
            truth = department.truth(0, day)
            following = department.truth(0, day + 1)
            assert following.level_m[0] == pytest.approx(truth.level_m[-1], abs=1e-6)
            assert truth.level_m.max() == pytest.approx(TANK_FULL_M)


def test_a_fault_over_days_is_one_fault_whichever_day_is_asked_first() -> None:
    fault = Fault(FaultKind.BURST, "dma-001", at(MONDAY, 9.0), at(MONDAY + 3, 15.0), 3.0)
    first, second = built(TINY), built(TINY)
    late = first.values(MONDAY + 3, (fault,))
    for day in range(MONDAY, MONDAY + 3):
        second.values(day, (fault,))
    assert np.array_equal(late, second.values(MONDAY + 3, (fault,)), equal_nan=True)
