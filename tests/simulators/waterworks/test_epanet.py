"""The department against EPANET itself, run whole by wntr's own simulator instead of step by step."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulators.fault import Fault, FaultKind
from simulators.noise import FloatArray
from simulators.waterworks import Waterworks
from simulators.waterworks.breaks import Target, broken_junction, opening, valve_loss
from simulators.waterworks.epanet import Solver, junction_name, water_network
from simulators.waterworks.layout import Dma
from tests.simulators.waterworks.making import MONDAY, broken

_STEPS = (2, 20, 26, 40, 50, 70, 78, 90)


def _taken(department: Waterworks, number: int, step: int) -> FloatArray:
    dma, truth = department.dmas[number], department.truth(number, MONDAY)
    taken: FloatArray = dma.taken_at @ truth.customers_m3_h[:, step] + dma.leakage_m3_h * dma.template.shares
    return taken


def _run(network: Any, folder: Path) -> Any:
    wntr = importlib.import_module("wntr")
    return wntr.sim.EpanetSimulator(network).run_sim(file_prefix=str(folder / "oracle"))


def _oracle(
    dma: Dma, taken: FloatArray, level: float, folder: Path, emitter: tuple[int, float] | None, valve: tuple[str, float]
) -> tuple[FloatArray, float]:
    """Return pressures at the sensors and the inflow, of one steady state."""
    network = water_network(dma.template)
    for junction, demand in enumerate(taken):
        network.get_node(junction_name(junction)).demand_timeseries_list[0].base_value = demand / 3_600
    network.get_node("tank").init_level = level
    if emitter is not None:
        network.get_node(junction_name(emitter[0])).emitter_coefficient = emitter[1] / 3_600
    network.get_link(valve[0]).initial_setting = valve[1]
    results = _run(network, folder)
    names = [junction_name(int(junction)) for junction in dma.sensors]
    inflow = float(results.link["flowrate"]["inlet_main"].iloc[0]) * 3_600
    return results.node["pressure"][names].iloc[0].to_numpy(), inflow


@pytest.mark.parametrize(
    ("fault", "number"),
    [
        (None, 0),
        (broken(FaultKind.BURST, "dma-002", hours=20.0), 1),
        (broken(FaultKind.BURST, "pipe-003-2", hours=20.0, magnitude=2.5), 2),
        (broken(FaultKind.STUCK_VALVE, "valve-004-inlet", hours=20.0), 3),
        (broken(FaultKind.STUCK_VALVE, "valve-005-section", hours=20.0), 4),
    ],
)
def test_pressures_are_epanets(small: Waterworks, tmp_path: Path, fault: Fault | None, number: int) -> None:
    dma, truth = small.dmas[number], small.truth(number, MONDAY, () if fault is None else (fault,))
    for step in _STEPS:
        emitter, valve = None, ("inlet_valve", 0.0)
        if fault is not None and step >= 36:
            kind, _, which = fault.asset.partition("-")
            which = which.partition("-")[2]
            if fault.kind is FaultKind.BURST:
                junction = broken_junction(dma, fault, Target(number, kind, which))
                emitter = (junction, opening(dma, junction, 0.45 * fault.magnitude))
            else:
                valve = (f"{which}_valve", valve_loss(dma, which))
        pressures, inflow = _oracle(dma, _taken(small, number, step), truth.level_m[step], tmp_path, emitter, valve)
        assert truth.pressures_m[:, step] == pytest.approx(pressures, abs=0.01)
        assert truth.inflow_m3_h[step] == pytest.approx(inflow, rel=1e-4)


def test_a_whole_day_of_the_tank_is_epanets(small: Waterworks, tmp_path: Path) -> None:
    dma, truth = small.dmas[0], small.truth(0, MONDAY)
    taken = dma.taken_at @ truth.customers_m3_h + dma.leakage_m3_h * dma.template.shares[:, None]
    network = water_network(dma.template)
    network.options.time.duration = 86_400 - 900
    for name in ("hydraulic_timestep", "pattern_timestep", "report_timestep"):
        setattr(network.options.time, name, 900)
    supply = truth.pumped_m3_h.sum(axis=0)
    for node, flows in ((("station"), -supply), *((junction_name(at), row) for at, row in enumerate(taken))):
        network.add_pattern(f"of_{node}", (flows / 3_600).tolist())
        demands = network.get_node(node).demand_timeseries_list
        demands.clear()
        demands.append((1.0, f"of_{node}"))
    network.get_node("tank").init_level = truth.level_m[0]
    results = _run(network, tmp_path)
    levels = results.node["pressure"]["tank"].to_numpy()
    assert levels == pytest.approx(truth.level_m[:-1], abs=0.01)
    names = [junction_name(int(junction)) for junction in dma.sensors]
    pressures = results.node["pressure"][names].to_numpy().T
    assert pressures == pytest.approx(truth.pressures_m, abs=0.02)


def test_an_emitter_is_wntrs_leak(small: Waterworks, tmp_path: Path) -> None:
    wntr = importlib.import_module("wntr")
    dma = small.dmas[1]
    junction, coefficient = 5, opening(dma, 5, 0.45)
    taken = dma.template.shares * dma.mean_m3_h
    pressures, inflow = _oracle(dma, taken, 3.0, tmp_path, (junction, coefficient), ("inlet_valve", 0.0))
    network = water_network(dma.template)
    for number, demand in enumerate(taken):
        network.get_node(junction_name(number)).demand_timeseries_list[0].base_value = demand / 3_600
    network.get_node("tank").init_level = 3.0
    area = coefficient / 3_600 / (0.75 * np.sqrt(2 * 9.81))
    network.get_node(junction_name(junction)).add_leak(network, area=area, discharge_coeff=0.75, start_time=0)
    results = wntr.sim.WNTRSimulator(network).run_sim()
    names = [junction_name(int(each)) for each in dma.sensors]
    assert results.node["pressure"][names].iloc[0].to_numpy() == pytest.approx(pressures, abs=0.05)
    assert float(results.link["flowrate"]["inlet_main"].iloc[0]) * 3_600 == pytest.approx(inflow, rel=2e-3)


def test_pumps_deliver_what_epanet_says(small: Waterworks, tmp_path: Path) -> None:
    truth, template = small.truth(0, MONDAY), small.dmas[0].template
    full_speed = np.flatnonzero((truth.running.sum(axis=0) == 1) & (truth.level_m[1:] < 4.9))
    wntr = importlib.import_module("wntr")
    for step in full_speed[:3]:
        network = water_network(template)
        network.get_link("pump_1").initial_status = wntr.network.LinkStatus.Open
        network.get_node("tank").init_level = truth.level_m[step]
        flow = float(_run(network, tmp_path).link["flowrate"]["rising_main"].iloc[0]) * 3_600
        assert truth.pumped_m3_h[:, step].sum() == pytest.approx(flow, rel=2e-3)


def test_a_restarted_solver_is_a_new_one(small: Waterworks) -> None:
    template = small.dmas[0].template

    def states(solver: Solver) -> FloatArray:
        demands = template.shares * template.mean_m3_h
        calm = [solver.solve(demands * factor, 3.0).heads_m for factor in (0.3, 1.0, 1.8)]
        solver.emit(4, 2.0)
        return np.stack([*calm, solver.solve(demands, 2.0).heads_m])

    new, used = Solver(template), Solver(template)
    used.emit(7, 3.0)
    used.throttle("inlet_valve", 500.0)
    used.pump(2, 1.0)
    used.solve(template.shares * 90.0, 4.0)
    used.restart()
    assert np.array_equal(states(new), states(used))
