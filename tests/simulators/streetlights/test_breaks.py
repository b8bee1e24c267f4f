"""What each fault makes meters show: where, from when on, with which sign and how much."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.fault import Fault, FaultKind
from simulators.noise import FloatArray
from simulators.streetlights import BREAKS, LASTS_H, SMALL, Streetlights
from tests.simulators.streetlights.parts import (
    EVENING,
    MONDAY,
    MONDAY_DAY,
    NIGHT,
    NOON,
    changed,
    fault,
    lights,
    seen,
)

_ASSETS = {"lamp": "lamp-00008", "cabinet": "cabinet-0001", "feeder": "feeder-01"}
_EACH = [(kind, asset_kind) for kind, kinds in BREAKS.items() for asset_kind in kinds]
_POWER = "active_power"


def _ratio(broken: FloatArray, calm: FloatArray, when: slice) -> float:
    return float(np.nanmean(broken[when]) / np.nanmean(calm[when]))


@pytest.mark.parametrize(("kind", "asset_kind"), _EACH)
def test_a_fault_shows_on_its_assets_only(tiny: Streetlights, kind: FaultKind, asset_kind: str) -> None:
    broken = fault(kind, _ASSETS[asset_kind], start_h=2.1, hours=300.0)
    affected = tiny.affected(broken)
    assert affected[0] == broken.asset
    assert len(set(affected)) == len(affected)
    days = (MONDAY_DAY, MONDAY_DAY + 3, MONDAY_DAY + 11)
    found = set().union(*(changed(tiny, broken, day=day) for day in days))
    assert found
    assert found <= set(affected)
    # A plain lamp measures no power factor, and a lamp in front of a cut burns on.
    silent = set(affected) - found
    assert len(silent) == 0 or kind in {FaultKind.POWER_FACTOR, FaultKind.CABLE_THEFT}
    assert silent <= {broken.asset}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(_EACH), st.integers(0, 60 * 47), st.integers(1, 60 * 40))
def test_a_fault_changes_nothing_before_it_starts(
    tiny: Streetlights, of: tuple[FaultKind, str], start_min: int, lasts_min: int
) -> None:
    start = MONDAY + timedelta(minutes=start_min)
    broken = Fault(of[0], _ASSETS[of[1]], start, start + timedelta(minutes=lasts_min))
    for day in (0, 1):
        calm, seen_ = tiny.values(MONDAY_DAY + day), tiny.values(MONDAY_DAY + day, (broken,))
        before = max(0, -(-(start_min - 1440 * day) // 15))
        assert np.array_equal(calm[:, :before], seen_[:, :before], equal_nan=True)


@pytest.mark.parametrize(("kind", "asset_kind"), [each for each in _EACH if each[0] is not FaultKind.PHOTOCELL_DRIFT])
def test_a_repaired_fault_leaves_only_the_day_s_counter_behind(
    tiny: Streetlights, kind: FaultKind, asset_kind: str
) -> None:
    broken = fault(kind, _ASSETS[asset_kind], start_h=3, hours=14)
    rows = [row for row, each in enumerate(tiny.series) if each.metric != "energy"]
    calm, after = tiny.values(MONDAY_DAY)[rows], tiny.values(MONDAY_DAY, (broken,))[rows]
    assert np.array_equal(calm[:, 4 * 17 :], after[:, 4 * 17 :], equal_nan=True)
    assert changed(tiny, broken, day=MONDAY_DAY + 1) == set()


def test_every_fault_lasts_some_time() -> None:
    assert LASTS_H.keys() == BREAKS.keys()
    assert all(0 < shortest < longest for shortest, longest in LASTS_H.values())


def test_a_lamp_that_is_out_takes_standby_by_night_and_its_cabinet_less(tiny: Streetlights) -> None:
    calm, out = seen(tiny), seen(tiny, fault(FaultKind.LAMP_OUT, "lamp-00003"))
    assert np.nanmax(out["lamp-00003", _POWER][EVENING]) < 1.0
    assert np.array_equal(out["lamp-00003", _POWER][NOON], calm["lamp-00003", _POWER][NOON], equal_nan=True)
    less = calm["cabinet-0001", _POWER] - out["cabinet-0001", _POWER]
    lamp = calm["lamp-00003", _POWER]
    assert np.nanmean(less[EVENING]) == pytest.approx(np.nanmean(lamp[EVENING]), rel=0.03)
    assert np.nanmean((calm["feeder-01", _POWER] - out["feeder-01", _POWER])[EVENING]) == pytest.approx(
        np.nanmean(lamp[EVENING]), rel=0.05
    )


def test_a_smart_lamp_that_is_out_is_still_told_to_burn(tiny: Streetlights) -> None:
    lamp = next(each.asset for each in tiny.series if each.metric == "dimming_level")
    out = seen(tiny, fault(FaultKind.LAMP_OUT, lamp))
    assert np.nanmin(out[lamp, "dimming_level"][EVENING]) > 60
    assert np.nanmax(out[lamp, _POWER][EVENING]) < 1.0
    assert np.nanmean(out[lamp, "voltage"][EVENING]) > 210


def test_a_group_that_is_out_is_one_phase() -> None:
    city = lights(SMALL)
    broken = fault(FaultKind.GROUP_OUT, "cabinet-0003", hours=13)
    calm, out = seen(city), seen(city, broken)
    lamps = [name for name in city.affected(broken) if name.startswith("lamp")]
    parents = {child: parent for parent, child in city.edges}
    assert len({parents[lamp] for lamp in lamps}) == 1
    assert len(lamps) == SMALL.lamps_per_cabinet // 3
    assert max(float(np.nanmax(out[lamp, _POWER][EVENING])) for lamp in lamps) < 1.0
    assert _ratio(out["cabinet-0003", _POWER], calm["cabinet-0003", _POWER], EVENING) == pytest.approx(0.67, abs=0.04)


def test_groups_that_go_out_at_other_times_are_of_other_phases() -> None:
    city = lights(SMALL)
    found = {city.affected(fault(FaultKind.GROUP_OUT, "cabinet-0003", start_h=start)) for start in range(12)}
    assert len(found) == 3


def test_a_lost_feeder_shows_nothing_its_cabinets_nothing_and_its_lamps_are_silent(tiny: Streetlights) -> None:
    lost = seen(tiny, fault(FaultKind.FEEDER_LOSS, "feeder-01", start_h=10, hours=8), days=1)
    during, flat, after = slice(4 * 10, 4 * 16), slice(4 * 16, 4 * 18), slice(4 * 18, 96)
    for metric in (_POWER, "voltage", "current"):
        assert np.nanmax(lost["feeder-01", metric][4 * 10 : 4 * 18]) == 0
        assert np.nanmax(lost["cabinet-0001", metric][during]) == 0
    assert np.isnan(lost["cabinet-0001", "power_factor"][during]).all()
    assert np.nanmax(np.diff(lost["cabinet-0001", "energy"][during])) == 0
    assert np.isnan(lost["cabinet-0001", _POWER][flat]).all()
    assert np.isnan(lost["lamp-00001", _POWER][4 * 10 : 4 * 18]).all()
    assert np.nanmin(lost["lamp-00001", _POWER][after]) > 10


@pytest.mark.parametrize("kind", [FaultKind.DAY_BURNER, FaultKind.MAINTENANCE_BURN])
def test_who_burns_by_day_takes_by_day_what_it_takes_by_night(tiny: Streetlights, kind: FaultKind) -> None:
    calm = seen(tiny)
    for asset, within in (("lamp-00002", 0.03), ("cabinet-0001", 0.03)):
        burner = seen(tiny, fault(kind, asset, start_h=7))
        day, night = np.nanmean(burner[asset, _POWER][NOON]), np.nanmean(calm[asset, _POWER][EVENING])
        assert day == pytest.approx(night, rel=within)
        same = np.array_equal(burner[asset, _POWER][NIGHT], calm[asset, _POWER][NIGHT], equal_nan=True)
        assert same
    assert FaultKind.MAINTENANCE_BURN.is_planned


def test_a_cabinet_that_does_not_switch_on_stays_at_standby(tiny: Streetlights) -> None:
    calm, dark = seen(tiny), seen(tiny, fault(FaultKind.NO_SWITCH_ON, "cabinet-0002"))
    assert _ratio(dark["cabinet-0002", _POWER], calm["cabinet-0002", _POWER], slice(4 * 16, 4 * 23)) < 0.05
    assert np.nanmean(dark["cabinet-0002", "power_factor"][EVENING]) == pytest.approx(0.6, abs=0.02)
    assert 0.2 < _ratio(dark["feeder-01", _POWER], calm["feeder-01", _POWER], EVENING) < 0.8
    smart = [each.asset for each in tiny.series if each.metric == "dimming_level" and each.asset > "lamp-00012"]
    assert np.nanmax(dark[smart[0], "dimming_level"][EVENING]) == 0


def test_a_flickering_lamp_takes_less_and_never_the_same(tiny: Streetlights) -> None:
    calm, flicker = seen(tiny), seen(tiny, fault(FaultKind.FLICKER, "lamp-00003"))
    share = (flicker["lamp-00003", _POWER] / calm["lamp-00003", _POWER])[EVENING]
    assert 0.3 < np.nanmean(share) < 0.7
    assert np.nanstd(share) > 0.15
    assert np.array_equal(flicker["lamp-00003", _POWER][NOON], calm["lamp-00003", _POWER][NOON], equal_nan=True)


@pytest.mark.parametrize("asset", ["smart", "cabinet-0001"])
def test_a_lost_capacitor_raises_the_current_and_not_the_power(tiny: Streetlights, asset: str) -> None:
    name = next(each.asset for each in tiny.series if each.metric == "dimming_level") if asset == "smart" else asset
    calm, broken = seen(tiny), seen(tiny, fault(FaultKind.POWER_FACTOR, name))
    factor = float(np.nanmean(broken[name, "power_factor"][EVENING]))
    assert 0.49 < factor < 0.71
    assert _ratio(broken[name, _POWER], calm[name, _POWER], EVENING) == pytest.approx(1.0, abs=0.002)
    assert _ratio(broken[name, "current"], calm[name, "current"], EVENING) == pytest.approx(
        float(np.nanmean(calm[name, "power_factor"][EVENING])) / factor, rel=0.02
    )


def test_behind_a_stolen_cable_all_is_silent(tiny: Streetlights) -> None:
    stolen = fault(FaultKind.CABLE_THEFT, "lamp-00008", hours=14)
    calm, cut = seen(tiny), seen(tiny, stolen)
    cable = next(each for each in tiny.cables if "lamp-00008" in each)
    behind = cable[cable.index("lamp-00008") + 1 :]
    assert tiny.affected(stolen) == ("lamp-00008", *behind, "cabinet-0001", "feeder-01")
    assert all(np.isnan(cut[lamp, _POWER][4 * 9 : 4 * 23]).all() for lamp in behind)
    assert np.array_equal(cut["lamp-00008", _POWER], calm["lamp-00008", _POWER], equal_nan=True)
    gone = sum(float(np.nanmean(calm[lamp, _POWER][EVENING])) for lamp in behind)
    less = float(np.nanmean((calm["cabinet-0001", _POWER] - cut["cabinet-0001", _POWER])[EVENING]))
    assert less == pytest.approx(gone, rel=0.03)


def test_the_last_lamp_of_a_stolen_cable_goes_itself(tiny: Streetlights) -> None:
    last = tiny.cables[0][-1]
    assert tiny.affected(fault(FaultKind.CABLE_THEFT, last)) == (last, "cabinet-0001", "feeder-01")
    assert np.isnan(seen(tiny, fault(FaultKind.CABLE_THEFT, last))[last, _POWER][4 * 9 : 4 * 23]).all()


def test_a_cable_stolen_at_a_cabinet_is_the_end_of_one_cable() -> None:
    city = lights(SMALL)
    for start in range(10):
        lamps = city.affected(fault(FaultKind.CABLE_THEFT, "cabinet-0002", start_h=start))[1:-1]
        cables = [cable for cable in city.cables if lamps[0] in cable]
        assert len(lamps) > len(cables[0]) // 2
        assert cables[0][-len(lamps) :] == lamps


@pytest.mark.parametrize("start_h", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
def test_a_drifting_photocell_shifts_both_switchings_more_and_more(tiny: Streetlights, start_h: float) -> None:
    broken = fault(FaultKind.PHOTOCELL_DRIFT, "cabinet-0001", start_h=start_h, hours=24 * 20)
    extra = []
    for day in (1, 10, 18):
        calm, drifted = (tiny.truth(MONDAY_DAY + day, faults).cabinets.power[0] for faults in ((), (broken,)))
        lit = float(calm[EVENING].mean())
        extra.append(((drifted - calm).sum() / 4 / lit, (drifted - calm)[NOON].max()))
    hours = [each[0] for each in extra]
    assert abs(hours[0]) < abs(hours[1]) < abs(hours[2])
    assert len({np.sign(each) for each in hours}) == 1
    assert 0.7 < abs(hours[2]) < 1.6  # 5.4 degrees, evening and morning, at about 0.15 degrees per minute


def test_photocells_drift_either_way(tiny: Streetlights) -> None:
    signs = set()
    for start in range(8):
        broken = fault(FaultKind.PHOTOCELL_DRIFT, "cabinet-0001", start_h=start, hours=24 * 12)
        calm, drifted = (tiny.truth(MONDAY_DAY + 10, faults).cabinets.power[0].sum() for faults in ((), (broken,)))
        signs.add(bool(drifted > calm))
    assert signs == {True, False}


@pytest.mark.parametrize("asset", ["lamp-00003", "cabinet-0001"])
def test_a_stuck_meter_repeats_what_it_showed_last_over_midnight(tiny: Streetlights, asset: str) -> None:
    stuck = fault(FaultKind.METER_STUCK, asset, start_h=20, hours=20)
    calm, broken = seen(tiny, days=2), seen(tiny, stuck, days=2)
    for (name, metric), row in broken.items():
        if name == asset:
            held = row[4 * 20 : 4 * 40]
            values = set(held[~np.isnan(held)].tolist())
            assert len(values) == 1
            last = calm[name, metric][4 * 20 - 1]
            assert np.isnan(last) or values == {float(last)}


@pytest.mark.parametrize("asset", ["lamp-00003", "cabinet-0001", "feeder-01"])
def test_a_wrong_clock_shows_what_belongs_to_another_hour(tiny: Streetlights, asset: str) -> None:
    found = set()
    for start_h in range(6):
        calm = seen(tiny, day=MONDAY_DAY - 1, days=4)
        wrong = seen(tiny, fault(FaultKind.CLOCK_WRONG, asset, start_h=start_h, hours=40), day=MONDAY_DAY - 1, days=4)
        inside = slice(96 + 4 * start_h, 96 + 4 * start_h + 160)
        for shift in (-4, 4):
            difference = wrong[asset, _POWER] - np.roll(calm[asset, _POWER], -shift)
            if np.nanmax(np.abs(difference[inside])) == 0:
                found.add(shift)
                assert np.isfinite(difference[inside]).mean() > 0.9
    assert found == {-4, 4}


def test_faults_of_different_things_add_up(tiny: Streetlights) -> None:
    faults = (fault(FaultKind.LAMP_OUT, "lamp-00003"), fault(FaultKind.LAMP_OUT, "lamp-00004"))
    calm, both = seen(tiny), seen(tiny, *faults)
    ones = [seen(tiny, each) for each in faults]
    total = sum(
        float(np.nanmean((calm["cabinet-0001", _POWER] - one["cabinet-0001", _POWER])[EVENING])) for one in ones
    )
    found = float(np.nanmean((calm["cabinet-0001", _POWER] - both["cabinet-0001", _POWER])[EVENING]))
    assert found == pytest.approx(total, rel=0.01)


def test_a_meter_stuck_on_a_broken_lamp_repeats_what_the_broken_lamp_took(tiny: Streetlights) -> None:
    out = fault(FaultKind.LAMP_OUT, "lamp-00003", start_h=9, hours=14)
    stuck = fault(FaultKind.METER_STUCK, "lamp-00003", start_h=18, hours=20)
    held = seen(tiny, out, stuck, days=2)["lamp-00003", _POWER][4 * 18 : 4 * 38]
    assert np.nanmax(held) < 1.0


def test_the_order_of_faults_does_not_matter(tiny: Streetlights) -> None:
    faults = tuple(fault(kind, _ASSETS[kinds[0]], start_h=14, hours=5) for kind, kinds in BREAKS.items())
    one, other = tiny.values(MONDAY_DAY, faults), tiny.values(MONDAY_DAY, faults[::-1])
    same = np.array_equal(one, other, equal_nan=True)
    assert same
