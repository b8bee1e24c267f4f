import hashlib
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PermanentError
from simulators.fault import Fault, FaultKind, span_us
from simulators.waterworks import BREAKS, LASTS_H, TINY, HydraulicsMissingError, Waterworks, hydraulics
from simulators.waterworks.demand import times_us
from tests.simulators.waterworks.making import MONDAY, broken, built, differs

_ASSETS = {
    "dma": ("dma-001",),
    "tank": ("tank-001",),
    "pipe": ("pipe-001-1", "pipe-001-4"),
    "valve": ("valve-001-inlet", "valve-001-section"),
    "pump": ("pump-001-1", "pump-001-2"),
    "pump_station": ("pump_station-001",),
    "quality_station": ("quality_station-001-inlet", "quality_station-001-far"),
    "customer_meter": ("customer_meter-001-0002",),
}

_ALL = [(kind, asset) for kind, kinds in BREAKS.items() for on in kinds for asset in _ASSETS[on]]


def _digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


_CHILD = """
import sys
from simulators.fault import Fault
from simulators.waterworks import TINY
from tests.simulators.waterworks.making import MONDAY, built
import hashlib
department = built(TINY)
assert "wntr" not in sys.modules, "wntr is imported before hydraulics are solved"
fault = Fault.from_json(sys.argv[1])
for day in (MONDAY + 1, MONDAY):
    print(hashlib.sha256(department.values(day, (fault,)).tobytes()).hexdigest())
"""


def test_two_processes_show_the_same_bytes() -> None:
    fault = broken(FaultKind.BURST, "pipe-001-2", hours=30.0)
    department = built(TINY)
    here = [_digest(department.values(day, (fault,))) for day in (MONDAY + 1, MONDAY)]
    said = subprocess.run(
        [sys.executable, "-c", _CHILD, fault.to_json()], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.split() == here


@settings(max_examples=6)
@given(days=st.permutations([MONDAY - 1, MONDAY, MONDAY + 1, MONDAY + 2]))
def test_the_order_of_days_means_nothing(tiny: Waterworks, days: list[int]) -> None:
    fault = (broken(FaultKind.BACKGROUND_LEAK, "dma-001", hours=50.0),)
    fresh = built(TINY)
    shown = {day: _digest(fresh.values(day, fault)) for day in days}
    assert shown == {day: _digest(tiny.values(day, fault)) for day in sorted(days)}


def test_the_order_of_faults_means_nothing_nor_does_saying_one_twice(tiny: Waterworks) -> None:
    faults = tuple(broken(kind, asset, hours=10.0) for kind, asset in _ALL if "pump" not in asset)
    shown = tiny.values(MONDAY, faults)
    assert np.array_equal(shown, built(TINY).values(MONDAY, (*faults[::-1], faults[0])), equal_nan=True)


@pytest.mark.parametrize(("kind", "asset"), _ALL)
def test_a_fault_shows_only_from_its_start_and_only_where_it_says(
    tiny: Waterworks, kind: FaultKind, asset: str
) -> None:
    fault = broken(kind, asset, hours=LASTS_H[kind][1], start_h=9.1, magnitude=1.5)
    affected = tiny.affected(fault)
    assert affected[0] == asset
    assert set(affected) <= {each.name for each in tiny.assets}
    touched: set[str] = set()
    for day in range(MONDAY - 1, MONDAY + 4):
        changed = differs(tiny.values(day, (fault,)), tiny.values(day))
        before = int(np.searchsorted(times_us(day, 900), span_us(fault)[0]))
        assert not changed[:, :before].any()
        touched |= {tiny.series[row].asset for row in np.flatnonzero(changed.any(axis=1))}
    assert touched, "it shows nowhere"
    assert touched <= set(affected)


@pytest.mark.parametrize(("kind", "asset"), _ALL)
def test_four_days_after_its_end_nothing_is_left_of_a_fault(tiny: Waterworks, kind: FaultKind, asset: str) -> None:
    fault = broken(kind, asset, hours=10.0, magnitude=3.0)
    assert np.array_equal(tiny.values(MONDAY + 4, (fault,)), tiny.values(MONDAY + 4), equal_nan=True)


@pytest.mark.parametrize(
    "foreign",
    [
        broken(FaultKind.LAMP_OUT, "lamp-01"),
        broken(FaultKind.BURST, "dma-999"),
        broken(FaultKind.LAMP_OUT, "dma-001"),
        broken(FaultKind.BURST, "customer_meter-001-0001"),
        broken(FaultKind.METER_STUCK, "lamp-group-3"),
    ],
)
def test_a_foreign_fault_changes_nothing(tiny: Waterworks, foreign: Fault) -> None:
    assert tiny.affected(foreign) == ()
    assert np.array_equal(tiny.values(MONDAY, (foreign,)), tiny.values(MONDAY), equal_nan=True)


def test_a_fault_of_one_dma_leaves_the_others_alone(small: Waterworks) -> None:
    fault = broken(FaultKind.BURST, "dma-003", magnitude=3.0)
    changed = np.flatnonzero(differs(small.values(MONDAY, (fault,)), small.values(MONDAY)).any(axis=1))
    assert changed.size > 5
    assert 300 <= changed.min() < changed.max() < 450


def test_values_and_truth_are_read_only(tiny: Waterworks) -> None:
    assert not tiny.values(MONDAY).flags.writeable
    assert not tiny.truth(0, MONDAY).level_m.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        tiny.values(MONDAY)[0, 0] = 1.0


def test_seeds_give_different_cities() -> None:
    assert differs(built(TINY, seed=1).values(MONDAY), built(TINY, seed=2).values(MONDAY)).mean() > 0.7


def test_it_travels_between_processes(tiny: Waterworks) -> None:
    there = pickle.loads(pickle.dumps(tiny))  # noqa: S301
    assert np.array_equal(there.values(MONDAY), tiny.values(MONDAY), equal_nan=True)


def _unsolvable(*_: object) -> None:
    raise AssertionError("solved again")


def test_a_folder_outlives_the_process(tmp_path: Path, tiny: Waterworks, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = (broken(FaultKind.BURST, "dma-001"),)
    first = built(TINY, cache_dir=tmp_path / "solved").values(MONDAY, fault)
    in_memory = tiny.values(MONDAY, fault)
    monkeypatch.setattr(hydraulics, "_solver", _unsolvable)
    second = built(TINY, cache_dir=tmp_path / "solved").values(MONDAY, fault)
    assert np.array_equal(first, second, equal_nan=True)
    assert np.array_equal(first, in_memory, equal_nan=True)
    with pytest.raises(AssertionError, match="solved again"):
        built(TINY, seed=8, cache_dir=tmp_path / "solved").values(MONDAY)


def test_a_torn_file_is_solved_again(tmp_path: Path, tiny: Waterworks) -> None:
    first = built(TINY, cache_dir=tmp_path).values(MONDAY)
    files = sorted(tmp_path.rglob("*.npy"))
    assert len(files) >= 2
    for file, keep in zip(files, (0, 100, 300, 400), strict=False):
        file.write_bytes(file.read_bytes()[:keep])
    assert np.array_equal(first, built(TINY, cache_dir=tmp_path).values(MONDAY), equal_nan=True)
    assert not list(tmp_path.rglob("*.part"))


def test_memory_is_bounded(tmp_path: Path) -> None:
    from simulators.waterworks.solved import Solved

    solved, counted = Solved(None, 3), []

    def solve() -> np.ndarray:
        counted.append(1)
        return np.zeros(2)

    for name in ("a", "b", "c", "a", "d", "a", "b"):
        solved.get(name, solve)
    assert len(counted) == 5


def test_without_wntr_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    department = built(TINY, seed=4_711)
    assert len(department.series) == 20

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(HydraulicsMissingError, match=r"cityvigil\[simulators\]") as caught:
        department.values(MONDAY)
    assert isinstance(caught.value, PermanentError)


def test_two_threads_solve_one_at_a_time() -> None:
    from concurrent.futures import ThreadPoolExecutor

    department, alone = built(TINY, seed=11), built(TINY, seed=11)
    days = range(MONDAY, MONDAY + 4)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(department.values, days))
    assert all(
        np.array_equal(shown, alone.values(day), equal_nan=True) for day, shown in zip(days, together, strict=True)
    )


@settings(max_examples=8)
@given(
    picked=st.sampled_from(_ALL),
    start_h=st.floats(0.0, 23.9),
    hours=st.floats(0.3, 40.0),
    magnitude=st.floats(0.2, 3.0),
)
def test_any_fault_leaves_flows_and_pressures_possible(
    tiny: Waterworks, picked: tuple[FaultKind, str], start_h: float, hours: float, magnitude: float
) -> None:
    fault = broken(*picked, start_h=start_h, hours=hours, magnitude=magnitude)
    for day in (MONDAY, MONDAY + 1):
        truth = tiny.truth(0, day, (fault,))
        out = truth.customers_m3_h.sum(axis=0) + truth.leakage_m3_h + truth.escaping_m3_h
        assert np.abs(out - truth.inflow_m3_h).max() < 1e-4
        assert truth.level_m.min() >= 0
        assert np.nanmin(tiny.values(day, (fault,))) >= 0
