"""EPANET, by way of wntr: builds a template's network, and solves steady states one after the other.

Source: L. A. Rossman et al., *EPANET 2.2 User Manual*, EPA/600/R-20/133 (2020): Hazen-Williams head losses, throttle
control valves, pumps with a one-point curve, emitters. An emitter with exponent 0.5 is what wntr's leak model is: an
opening of A m2 with discharge coefficient Cd lets out 3600 Cd A sqrt(2 g p) m3/h, so that C = 3600 Cd A sqrt(2 g).
"""

import importlib
import importlib.metadata
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simulators.noise import FloatArray
from simulators.waterworks.scale import HydraulicsMissingError
from simulators.waterworks.template import HOURS_STORED, TANK_FULL_M, TANK_RIM_M, Template

PUMP_OF_MEAN = 1.5
"""What one pump delivers at its design point, relative to the mean demand."""

MAIN_MM = 200.0
"""Diameter of the mains between tank and grid, and of the inlet valve."""

_PUMP_LIFT_M = 38.0
_RISING_M, _RISING_MM = 600.0, 250.0
_MAIN_ROUGHNESS = 120.0
_ACCURACY = 1e-7
_WET_M = 0.05  # EPANET shuts the outlet of an empty tank; what an empty tank means is decided elsewhere

# Codes of the EPANET 2.2 toolkit.
_BASE_DEMAND, _EMITTER, _TANK_LEVEL, _HEAD = 1, 3, 8, 10
_FLOW, _HEAD_LOSS, _STATUS, _SETTING = 8, 10, 11, 12


def wntr_version() -> str:
    """Return the version of the installed wntr, without importing it.

    Raises
    ------
    HydraulicsMissingError
        If it is not installed.
    """
    try:
        return importlib.metadata.version("wntr")
    except importlib.metadata.PackageNotFoundError as exc:
        raise HydraulicsMissingError from exc


def _wntr() -> Any:
    try:
        importlib.import_module("wntr.epanet.toolkit")
        return importlib.import_module("wntr")
    except ImportError as exc:
        raise HydraulicsMissingError from exc


def junction_name(number: int) -> str:
    """Return what a junction of the grid is called in EPANET."""
    return f"J{number}"


def water_network(template: Template) -> Any:
    """Return a template as a `wntr.network.WaterNetworkModel`: pumps off, valves open, tank full.

    Raises
    ------
    HydraulicsMissingError
        If wntr is not installed.
    """
    network = _wntr().network.WaterNetworkModel()
    options = network.options.hydraulic
    options.headloss, options.demand_model, options.pattern = "H-W", "DDA", None
    options.accuracy, options.trials, options.unbalanced = _ACCURACY, 200, "STOP"
    options.emitter_exponent = 0.5
    network.options.time.duration = 0
    _add_supply(network, template)
    mean_m3_s = template.mean_m3_h / 3_600
    for number, (x_m, y_m) in enumerate(zip(template.x_m.tolist(), template.y_m.tolist(), strict=True)):
        network.add_junction(
            junction_name(number),
            base_demand=mean_m3_s * float(template.shares[number]),
            elevation=float(template.elevation_m[number]),
            coordinates=(x_m, y_m),
        )
    network.add_pipe("inlet_main", "inlet", junction_name(template.entry), 30.0, MAIN_MM / 1e3, _MAIN_ROUGHNESS)
    for number, pipe in enumerate(template.pipes):
        end = junction_name(pipe.end)
        if number == template.sectioned:
            network.add_junction("section", elevation=float(template.elevation_m[pipe.end]))
            network.add_valve("section_valve", "section", end, pipe.diameter_mm / 1e3, "TCV", 0.0, 0.0)
            end = "section"
        start = junction_name(pipe.start)
        network.add_pipe(f"P{number}", start, end, pipe.length_m, pipe.diameter_mm / 1e3, pipe.roughness)
    return network


def _add_supply(network: Any, template: Template) -> None:
    """Add works, pumps, rising main, tank, outlet and inlet valve."""
    area_m2 = HOURS_STORED * template.mean_m3_h / TANK_FULL_M
    network.add_reservoir("works", base_head=template.works_m)
    network.add_junction("station", elevation=template.works_m)
    network.add_curve("pump", "HEAD", [(PUMP_OF_MEAN * template.mean_m3_h / 3_600, _PUMP_LIFT_M)])
    network.add_tank(
        "tank",
        elevation=template.tank_m,
        init_level=TANK_FULL_M,
        min_level=0.0,
        max_level=TANK_RIM_M + 1.0,
        diameter=float(np.sqrt(4 * area_m2 / np.pi)),
    )
    for pump in (1, 2):
        network.add_pump(f"pump_{pump}", "works", "station", "HEAD", "pump", initial_status="CLOSED")
    network.add_pipe("rising_main", "station", "tank", _RISING_M, _RISING_MM / 1e3, _MAIN_ROUGHNESS)
    ground = float(template.elevation_m[template.entry])
    network.add_junction("outlet", elevation=ground)
    network.add_junction("inlet", elevation=ground)
    network.add_pipe("outlet_main", "tank", "outlet", template.inlet_m, MAIN_MM / 1e3, _MAIN_ROUGHNESS)
    network.add_valve("inlet_valve", "outlet", "inlet", MAIN_MM / 1e3, "TCV", 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class State:
    """One steady state.

    Attributes
    ----------
    heads_m
        Shape (junctions,): of those that were asked for.
    inflow_m3_h
        What passes the inlet of the DMA, emitters included.
    """

    heads_m: FloatArray
    inflow_m3_h: float


class Solver:
    """A template's network, open in EPANET until nobody holds the instance any more.

    Each instance has an EPANET project of its own. A state depends on the one before it only within the solver's
    accuracy; after `restart` the same sequence gives the same bytes.

    Raises
    ------
    HydraulicsMissingError
        If wntr is not installed.
    """

    def __init__(self, template: Template) -> None:
        self.template = template
        wntr = _wntr()
        # EPANET reads the file once, on opening; what it writes beside it nobody reads.
        with tempfile.TemporaryDirectory(prefix="cityvigil-", ignore_cleanup_errors=True) as folder:
            inp = Path(folder) / "network.inp"
            wntr.network.write_inpfile(water_network(template), str(inp), units="CMH")
            toolkit = wntr.epanet.toolkit.ENepanet(str(inp), str(inp.with_suffix(".rpt")), str(inp.with_suffix(".bin")))
            toolkit.ENopen()
        weakref.finalize(self, toolkit.ENclose)
        self._toolkit = toolkit
        self._nodes = [toolkit.ENgetnodeindex(junction_name(at)) for at in range(template.junctions)]
        self._tank = toolkit.ENgetnodeindex("tank")
        names = ("inlet_main", "inlet_valve", "section_valve", "pump_1", "pump_2", "rising_main")
        self._links = {name: toolkit.ENgetlinkindex(name) for name in names}
        self._pipes = [toolkit.ENgetlinkindex(f"P{at}") for at in range(len(template.pipes))]
        toolkit.ENopenH()
        self.restart()

    def restart(self) -> None:
        """Forget all states so far: valves open, emitters closed, pumps off."""
        # An emitter that is open when EPANET begins anew begins with a flow, and so with another last bit.
        for junction in range(self.template.junctions):
            self.emit(junction, 0.0)
        self._toolkit.ENinitH(10)
        for valve in ("inlet_valve", "section_valve"):
            self.throttle(valve, 0.0)

    def emit(self, junction: int, coefficient: float) -> None:
        """Set a junction's emitter, in m3/h per square root of a metre; 0 closes it."""
        self._toolkit.ENsetnodevalue(self._nodes[junction], _EMITTER, coefficient)

    def throttle(self, valve: str, loss: float) -> None:
        """Set the loss coefficient of `inlet_valve` or `section_valve`, without dimension; 0 is open."""
        self._toolkit.ENsetlinkvalue(self._links[valve], _SETTING, loss)

    def solve(self, demands_m3_h: FloatArray, level_m: float, seen: Sequence[int] | None = None) -> State:
        """Solve one steady state.

        Parameters
        ----------
        demands_m3_h
            Shape (junctions,): what is taken at each junction of the grid, emitters not counted.
        level_m
            Of the tank.
        seen
            Junctions whose heads are wanted; None means all.
        """
        toolkit = self._toolkit
        for node, demand in zip(self._nodes, demands_m3_h.tolist(), strict=True):
            toolkit.ENsetnodevalue(node, _BASE_DEMAND, demand)
        toolkit.ENsetnodevalue(self._tank, _TANK_LEVEL, min(max(level_m, _WET_M), TANK_RIM_M))
        toolkit.ENrunH()
        nodes = self._nodes if seen is None else [self._nodes[junction] for junction in seen]
        heads = np.array([toolkit.ENgetnodevalue(node, _HEAD) for node in nodes])
        return State(heads, float(toolkit.ENgetlinkvalue(self._links["inlet_main"], _FLOW)))

    def pipe_flows(self) -> FloatArray:
        """Return the flow of each pipe of the grid in the state solved last, from its start to its end; m3/h."""
        return np.array([self._toolkit.ENgetlinkvalue(pipe, _FLOW) for pipe in self._pipes])

    def pump(self, running: int, level_m: float) -> tuple[float, float]:
        """Return what 1 or 2 pumps deliver into the tank at a level, in m3/h, and the head that they add, in m."""
        toolkit = self._toolkit
        for pump in (1, 2):
            toolkit.ENsetlinkvalue(self._links[f"pump_{pump}"], _STATUS, float(pump <= running))
        toolkit.ENsetnodevalue(self._tank, _TANK_LEVEL, level_m)
        toolkit.ENrunH()
        flow = float(toolkit.ENgetlinkvalue(self._links["rising_main"], _FLOW))
        return flow, -float(toolkit.ENgetlinkvalue(self._links["pump_1"], _HEAD_LOSS))
