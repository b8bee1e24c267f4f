"""Pumps and tank: two pumps fill the tank by its level, and by night until it is full.

The works use the night's cheap power: from 23:00 to 06:00 on the wall clock the pumps fill the tank, and hold it full
at reduced speed until 06:00. So the level at 06:00 is known without the days before, and any day can be computed from
the last 06:00 before it; the supply closes the balance by its control, not by a correction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.noise import FloatArray
from simulators.waterworks.epanet import Solver
from simulators.waterworks.template import HOURS_STORED, TANK_FULL_M, TANK_RIM_M, Template, farthest

NIGHT_H = (23.0, 6.0)
"""Begin and end of the cheap hours, on the wall clock."""

_LEVELS_M = np.linspace(0.1, TANK_RIM_M, 12)
_LIFT_W = 1_000 * 9.80665 / 3_600  # W per m3/h and m
_EFFICIENCY = 0.70
_PART_LOAD = 0.35
_ONE_ON, _ONE_OFF, _TWO_ON, _TWO_OFF = 0.45, 0.72, 0.30, 0.50  # of a full tank, by day
_NIGHT_TWO_ON, _NIGHT_TWO_OFF = 0.60, 0.90


@dataclass(frozen=True, slots=True, eq=False)
class PumpTable:
    """What EPANET says that the pumps deliver.

    Attributes
    ----------
    flow_m3_h, head_m
        Shape (2, levels): of one and of two pumps at full speed; the head is what each adds.
    travel_h
        How long water takes from the entry to the farthest junction at mean demand.
    """

    flow_m3_h: FloatArray
    head_m: FloatArray
    travel_h: float

    def flow(self, running: int, level_m: float) -> float:
        """Return what so many pumps deliver at full speed, in m3/h."""
        return float(np.interp(level_m, _LEVELS_M, self.flow_m3_h[running - 1])) if running else 0.0

    def power_w(self, template: Template, running: int, level_m: float, flow_m3_h: float) -> float:
        """Return what each running pump takes, in W, when they deliver `flow_m3_h` together, at reduced speed or not.

        At reduced speed the friction falls with the square of the flow, and so does the efficiency's fall.
        """
        part = flow_m3_h / self.flow(running, level_m)
        lift = template.tank_m + level_m - template.works_m
        head = lift + (float(np.interp(level_m, _LEVELS_M, self.head_m[running - 1])) - lift) * part**2
        efficiency = _EFFICIENCY * (1.0 - _PART_LOAD * (1.0 - part) ** 2)
        return _LIFT_W * flow_m3_h / running * head / efficiency


def solve_pumps(solver: Solver) -> FloatArray:
    """Solve a template's pump table; shape (2, 2, levels + 1): flows and heads, the last column for the travel time."""
    solver.restart()
    solved = np.zeros((2, 2, len(_LEVELS_M) + 1))
    for running in (1, 2):
        for at, level in enumerate(_LEVELS_M):
            solved[:, running - 1, at] = solver.pump(running, float(level))
    solver.pump(0, TANK_FULL_M)
    solved[0, 0, -1] = _travel_h(solver)
    return solved


def pump_table(solved: FloatArray) -> PumpTable:
    """Return the table of what `solve_pumps` solved."""
    return PumpTable(solved[0, :, :-1], solved[1, :, :-1], float(solved[0, 0, -1]))


def _travel_h(solver: Solver) -> float:
    """Follow the farthest junction's water back to the entry, each time along the pipe that brings most of it."""
    template = solver.template
    solver.solve(template.shares * template.mean_m3_h, TANK_FULL_M)
    flows = solver.pipe_flows()
    at, hours = farthest(template), 0.0
    for _ in range(template.junctions):
        if at == template.entry:
            break
        brought = [
            (float(flow if pipe.end == at else -flow), pipe)
            for pipe, flow in zip(template.pipes, flows, strict=True)
            if at in {pipe.start, pipe.end}
        ]
        flow, pipe = max(brought, key=lambda pair: pair[0])
        hours += pipe.length_m * np.pi / 4 * (pipe.diameter_mm / 1e3) ** 2 / flow
        at = pipe.start if pipe.end == at else pipe.end
    return hours


def is_night(hour: FloatArray) -> NDArray[np.bool_]:
    """Return at which local hours power is cheap."""
    return (hour >= NIGHT_H[0]) | (hour < NIGHT_H[1])


def area_m2(template: Template) -> float:
    """Return the area of a template's tank."""
    return HOURS_STORED * template.mean_m3_h / TANK_FULL_M


@dataclass(frozen=True, slots=True)
class Control:
    """What the pumps can and must do in one step.

    Attributes
    ----------
    night
        Whether power is cheap.
    able
        Which of the two pumps can run.
    leads
        Which pump, 0 or 1, takes the lead from this step on; None leaves it to the one that has it.
    unswitched
        Whether the level switch has failed: it says that the tank is empty, and both pumps go on.
    """

    night: bool
    able: tuple[bool, bool]
    leads: int | None
    unswitched: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """What goes from one step to the next.

    Attributes
    ----------
    level_m
        Of the tank.
    wanted
        How many pumps the control wanted.
    lead
        Which pump, 0 or 1, comes first; they take turns, at each stop.
    """

    level_m: float
    wanted: int
    lead: int


@dataclass(frozen=True, slots=True)
class Step:
    """What pumps and tank did in one step.

    Attributes
    ----------
    pumped_m3_h
        Shape (2,): by each pump.
    running
        How many run.
    served
        Which part of what is asked for can flow; 1 unless the tank is empty.
    spilt_m3_h
        What runs over the rim.
    after
        What the next step begins with.
    """

    pumped_m3_h: tuple[float, float]
    running: int
    served: float
    spilt_m3_h: float
    after: Memory


def wanted_pumps(level_m: float, before: int, *, night: bool) -> int:
    """Return how many pumps the level control wants, given how many it wanted before."""
    full = level_m / TANK_FULL_M
    if night:
        return 2 if full < (_NIGHT_TWO_OFF if before > 1 else _NIGHT_TWO_ON) else 1
    if full < (_TWO_OFF if before > 1 else _TWO_ON):
        return 2
    return 1 if full < (_ONE_OFF if before > 0 else _ONE_ON) else 0


def _turn(before: Memory, control: Control) -> tuple[int, int]:
    """Return how many pumps the control wants now, and which leads."""
    wanted = 2 if control.unswitched else wanted_pumps(before.level_m, before.wanted, night=control.night)
    if control.leads is not None:
        return wanted, control.leads
    return wanted, 1 - before.lead if before.wanted and not wanted else before.lead


def advance(
    table: PumpTable, tank_m2: float, before: Memory, asked_m3_h: float, hours: float, control: Control
) -> Step:
    """Go one step on.

    A pump that cannot run is not replaced: the other one starts when the level wants two.

    Parameters
    ----------
    tank_m2
        Area of the tank.
    asked_m3_h
        What the DMA would take.
    hours
        Length of the step.
    """
    wanted, lead = _turn(before, control)
    running = [pump for pump in (lead, 1 - lead)[:wanted] if control.able[pump]]
    stored = before.level_m * tank_m2 / hours
    flow = table.flow(len(running), before.level_m)
    if not control.unswitched:
        flow = min(flow, max(asked_m3_h + TANK_FULL_M * tank_m2 / hours - stored, 0.0))
    served = 1.0 if asked_m3_h <= flow + stored else (flow + stored) / asked_m3_h
    level = before.level_m + (flow - served * asked_m3_h) * hours / tank_m2
    spilt = max(level - TANK_RIM_M, 0.0) * tank_m2 / hours
    each = [flow / len(running) if pump in running else 0.0 for pump in (0, 1)]
    after = Memory(min(max(level, 0.0), TANK_RIM_M), wanted, lead)
    return Step((each[0], each[1]), len(running) if flow > 0 else 0, served, spilt, after)
