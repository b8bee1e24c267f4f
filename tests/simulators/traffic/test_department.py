import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from core.units import is_unit
from simulators.department import Department
from simulators.fault import FaultKind
from simulators.traffic import BREAKS, LASTS_H, MEDIUM, SCALES, TINY, Traffic, TrafficError
from tests.paths import REPO
from tests.simulators.traffic.conftest import WEDNESDAY, build, differs, fault_on

_PROGRAM = """
import hashlib
from tests.simulators.traffic.conftest import TINY, WEDNESDAY, build
print(hashlib.sha256(build(TINY).values(WEDNESDAY).tobytes()).hexdigest())
"""


def test_keeps_the_protocol_of_departments(tiny: Traffic) -> None:
    department: Department = tiny
    assert department.values(WEDNESDAY).shape == (len(department.series), 86_400 // department.step_s)


@pytest.mark.parametrize(("name", "count"), [("tiny", 219), ("small", 2_014), ("medium", 29_777)])
def test_presets_have_the_series_they_promise(name: str, count: int) -> None:
    assert SCALES[name].series == len(build(SCALES[name]).series) == count


def test_names_are_unique_and_edges_join_things_that_exist(tiny: Traffic) -> None:
    names = [asset.name for asset in tiny.assets]
    assert len(set(names)) == len(names)
    assert {name for edge in tiny.edges for name in edge} <= set(names)
    kinds = {asset.name: asset.kind for asset in tiny.assets}
    found = Counter((kinds[parent], kinds[child]) for parent, child in tiny.edges)
    assert found == {
        ("junction", "road_segment"): TINY.segments,
        ("road_segment", "counter"): TINY.counters,
        ("line", "vehicle"): TINY.lines * TINY.vehicles_per_line,
    }
    assert len({(one.asset, one.metric) for one in tiny.series}) == len(tiny.series)


def test_things_lie_in_the_city_and_units_are_known(tiny: Traffic) -> None:
    assert all(is_unit(unit) for unit in {one.unit for one in tiny.series})
    placed = [asset.place for asset in tiny.assets if asset.place]
    assert max(abs(place.latitude - 46.77) for place in placed) < 0.02
    assert max(abs(place.longitude - 23.59) for place in placed) < 0.03
    assert {asset.kind for asset in tiny.assets if asset.place is None} == {"line", "vehicle"}


def test_every_kind_of_fault_befalls_a_kind_of_asset_that_exists(tiny: Traffic) -> None:
    kinds = {asset.kind for asset in tiny.assets}
    assert {kind for befallen in BREAKS.values() for kind in befallen} == kinds
    assert set(LASTS_H) == set(BREAKS)


def test_values_are_read_only_and_within_physical_limits(tiny: Traffic) -> None:
    values = tiny.values(WEDNESDAY)
    assert not values.flags.writeable
    for one, shown in zip(tiny.series, values, strict=True):
        if one.lower_limit is not None:
            assert np.nanmin(shown, initial=one.lower_limit) >= one.lower_limit, one
        if one.upper_limit is not None:
            assert np.nanmax(shown, initial=one.upper_limit) <= one.upper_limit, one


def test_instruments_have_a_resolution_and_counters_count_whole_vehicles(tiny: Traffic) -> None:
    decimals = {"latitude": 5, "longitude": 5, "schedule_offset": 0, "odometer": 0, "headway": 0}
    for one, shown in zip(tiny.series, tiny.values(WEDNESDAY), strict=True):
        known = shown[~np.isnan(shown)]
        assert np.array_equal(np.round(known, decimals.get(one.metric, 1)), known), one
        if one.metric == "traffic_flow":
            assert np.all(known % 12 == 0)


def test_a_percent_of_the_samples_is_missing_and_at_night_no_vehicle_reports(small: Traffic) -> None:
    values = small.values(WEDNESDAY)
    flows = values[[at for at, one in enumerate(small.series) if one.metric == "traffic_flow"]]
    assert 0.005 < np.isnan(flows).mean() < 0.02
    positions = values[[at for at, one in enumerate(small.series) if one.metric == "latitude"]]
    local_two_to_four = slice(23 * 12 + 6, 24 * 12)  # 02:30 to 03:00 in summer
    assert np.isnan(positions[:, local_two_to_four]).all()
    at_eight = np.isnan(positions[:, 5 * 12]).mean()
    assert at_eight < 0.25


def test_days_do_not_depend_on_the_order_in_which_they_are_asked() -> None:
    forward, backward = build(TINY), build(TINY)
    days = [WEDNESDAY, WEDNESDAY + 1, WEDNESDAY + 40]
    first = [forward.values(day) for day in days]
    second = [backward.values(day) for day in reversed(days)][::-1]
    for one, other in zip(first, second, strict=True):
        assert one.tobytes() == other.tobytes()
    assert first[0].tobytes() != first[1].tobytes()


def test_another_process_gets_the_same_bytes_and_another_seed_others(tiny: Traffic) -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(tiny.values(WEDNESDAY).tobytes()).hexdigest()
    assert differs(build(TINY, seed=8).values(WEDNESDAY), tiny.values(WEDNESDAY)).mean() > 0.5


def test_foreign_faults_change_nothing(tiny: Traffic) -> None:
    foreign = (
        fault_on(FaultKind.BURST, "dma-1", 5, 9),
        fault_on(FaultKind.CLOCK_WRONG, "dma-1", 5, 9),
        fault_on(FaultKind.COUNTER_DEAD, "counter-9999", 5, 9),
        fault_on(FaultKind.ROAD_BLOCKED, tiny.town.counter_names[0], 5, 9),
        fault_on(FaultKind.ROAD_BLOCKED, tiny.town.segment_names[0], 5, 9, WEDNESDAY + 3),
    )
    assert tiny.values(WEDNESDAY, foreign).tobytes() == tiny.values(WEDNESDAY).tobytes()
    assert [len(tiny.affected(fault)) for fault in foreign[:4]] == [0, 0, 0, 0]


@pytest.mark.parametrize("step_s", [60, 900])
def test_another_step_tells_of_the_same_traffic(step_s: int, tiny: Traffic) -> None:
    other = build(TINY, step_s=step_s)
    flows = [at for at, one in enumerate(tiny.series) if one.metric == "traffic_flow"]
    usual, found = tiny.values(WEDNESDAY)[flows], other.values(WEDNESDAY)[flows]
    assert found.shape[1] == 86_400 // step_s
    assert np.nanmean(found) == pytest.approx(np.nanmean(usual), rel=0.01)
    latitude = next(at for at, one in enumerate(tiny.series) if one.metric == "latitude")
    factor = max(step_s // 300, 1), max(300 // step_s, 1)
    gap = tiny.values(WEDNESDAY)[latitude, :: factor[0]] - other.values(WEDNESDAY)[latitude, :: factor[1]]
    assert np.nanmax(np.abs(gap)) * 111_195 < 25.0


def test_daylight_saving_days_have_all_their_samples(tiny: Traffic) -> None:
    for day in (20_541, 20_751):  # 29 March and 25 October 2026
        flows = tiny.values(day)[[at for at, one in enumerate(tiny.series) if one.metric == "traffic_flow"]]
        assert np.isnan(flows).mean() < 0.1
        assert np.nanmin(flows[:, 96:200].mean(axis=0)) > 0.0


@pytest.mark.parametrize(("seed", "step_s", "says"), [(-1, 300, "seed"), (1, 7, "divisor"), (1, 7_200, "divisor")])
def test_what_cannot_be_built_is_refused(seed: int, step_s: int, says: str) -> None:
    with pytest.raises(TrafficError, match=says):
        build(TINY, seed=seed, step_s=step_s)


def test_medium_lines_and_roads_are_all_there() -> None:
    kinds = Counter(asset.kind for asset in build(MEDIUM).assets)
    assert kinds == {"junction": 1_156, "road_segment": 4_488, "counter": 4_000, "line": 137, "vehicle": 2_192}
