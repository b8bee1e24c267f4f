"""What flows in a DMA, and at which pressure: pumps and tank step by step, and EPANET for the network at each step."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.calendar import Calendar
from simulators.fault import Fault, span_us
from simulators.noise import FloatArray
from simulators.rhythm import DAY_US
from simulators.surroundings import Surroundings
from simulators.waterworks.breaks import Strain, Target, order, strain_of
from simulators.waterworks.demand import Clock, clock_of, customer_flows, times_us
from simulators.waterworks.epanet import Solver
from simulators.waterworks.layout import Dma
from simulators.waterworks.solved import Solved
from simulators.waterworks.supply import (
    Control,
    Memory,
    PumpTable,
    Step,
    advance,
    area_m2,
    is_night,
    pump_table,
    solve_pumps,
)
from simulators.waterworks.template import TANK_FULL_M, Template

_FORGETS_US = 2 * DAY_US
"""Two nights after a fault's end the tank has been full at 06:00 again, and nothing is left of it."""

# Rows of a solved day: level, wanted pumps and lead are what a step begins with; pressures come last.
_LEVEL, _INFLOW, _SERVED, _SPILT, _PUMPED, _POWER, _RUNNING, _PRESSURES = 0, 3, 4, 5, 6, 8, 10, 12
_MEMORY = slice(0, 3)

Broken = tuple[tuple[Fault, Target], ...]
"""Faults of one DMA's hydraulics, and what each befalls."""

_lock = threading.RLock()


@lru_cache(maxsize=16)
def _solver(template: Template) -> Solver:
    return Solver(template)


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """What flowed in a DMA on a UTC day; each flow is the mean of the interval that begins at its stamp.

    Attributes
    ----------
    level_m
        Shape (steps + 1,): of the tank at each stamp, and at the day's end.
    inflow_m3_h
        Shape (steps,): from the tank into the DMA.
    served
        Shape (steps,): which part of what is asked for flows; 1 unless the tank is empty.
    spilt_m3_h
        Shape (steps,): over the tank's rim.
    pumped_m3_h, power_w, running
        Shape (2, steps): of each pump; running is 0 or 1.
    pressures_m
        Shape (pressure sensors, steps): above the ground at each sensor's junction; never negative.
    """

    level_m: FloatArray
    inflow_m3_h: FloatArray
    served: FloatArray
    spilt_m3_h: FloatArray
    pumped_m3_h: FloatArray
    power_w: FloatArray
    running: FloatArray
    pressures_m: FloatArray


class Hydraulics:
    """The flows of all DMAs of a city, solved when first asked for.

    Parameters
    ----------
    seed, calendar, surroundings, step_s
        The city's.
    folder
        Where solved days outlive the process; None means nowhere.
    entries
        Solved days in memory.
    """

    def __init__(
        self,
        seed: int,
        calendar: Calendar,
        surroundings: Surroundings,
        step_s: int,
        folder: Path | None,
        entries: int,
    ) -> None:
        self._calendar = calendar
        self._surroundings = surroundings
        self._step_s = step_s
        self._solved = Solved(folder, entries)
        self._of = f"{seed}/{step_s}/{calendar}/{surroundings}"
        self._totals = lru_cache(maxsize=entries)(self._draw_total)
        self._customers = lru_cache(maxsize=8)(self._draw_customers)

    def clock(self, day: int) -> Clock:
        """Return a UTC day's local clock."""
        return clock_of(self._calendar, self._surroundings, day, self._step_s)

    def customers(self, dma: Dma, day: int) -> FloatArray:
        """Return what each customer wants; shape (customers, steps), m3/h."""
        return self._customers(dma, day)

    def total(self, dma: Dma, day: int) -> FloatArray:
        """Return what all customers want and what leaks away always; shape (steps,), m3/h."""
        return self._totals(dma, day)

    def _draw_customers(self, dma: Dma, day: int) -> FloatArray:
        flows = customer_flows(dma, self.clock(day), day, self._step_s)
        flows.flags.writeable = False
        return flows

    def _draw_total(self, dma: Dma, day: int) -> FloatArray:
        total: FloatArray = self.customers(dma, day).sum(axis=0) + dma.leakage_m3_h
        total.flags.writeable = False
        return total

    def pumps(self, template: Template) -> PumpTable:
        """Return what a template's pumps deliver."""

        def solve() -> FloatArray:
            with _lock:
                return solve_pumps(_solver(template))

        return pump_table(self._solved.get(f"pumps/{template.seed}/{template.number}", solve))

    def flows(self, dma: Dma, day: int, broken: Broken = ()) -> Flows:
        """Return what flowed on a UTC day.

        Parameters
        ----------
        broken
            Hydraulic faults of this DMA, in any order, of any day.
        """
        faults = tuple(sorted(broken, key=lambda pair: order(pair[0])))
        first = self._first_day(day, faults)
        rows: FloatArray | None = None
        for each in range(first, day + 1):
            end_us = (each + 1) * DAY_US
            mine = tuple(pair for pair in faults if first * DAY_US <= span_us(pair[0])[0] < end_us)
            rows = self._day(dma, each, mine, rows)
        if rows is None:
            raise AssertionError("a range from a first day to a last one is not empty")
        return _flows_of(rows)

    @staticmethod
    def _first_day(day: int, faults: Broken) -> int:
        """Return the latest day, up to `day`, at whose begin no fault has left a trace."""
        first = day
        while any(span_us(fault)[0] < first * DAY_US < span_us(fault)[1] + _FORGETS_US for fault, _ in faults):
            first -= 1
        return first

    def _day(self, dma: Dma, day: int, faults: Broken, before: FloatArray | None) -> FloatArray:
        """Return a day's rows, given those of the day before if faults have left a trace in them."""
        said = "/".join(fault.to_json() for fault, _ in faults)
        of = f"day/{self._of}/{dma.number}/{len(dma.base_m3_h)}/{len(dma.sensors)}/{day}/{said}"
        return self._solved.get(of, lambda: self._solve(dma, day, faults, before))

    def _solve(self, dma: Dma, day: int, faults: Broken, before: FloatArray | None) -> FloatArray:
        """Solve a day; before the first fault it is the calm day to the last bit."""
        stamps = times_us(day, self._step_s)
        rows = np.zeros((_PRESSURES + len(dma.sensors), len(stamps) + 1))
        begin = 0
        if before is not None:
            rows[_MEMORY, 0] = before[_MEMORY, -1]
        elif faults:
            begin = int(np.searchsorted(stamps, min(span_us(fault)[0] for fault, _ in faults)))
            rows[:] = self._day(dma, day, (), None)
        else:
            rows[_MEMORY, 0] = _row_of(self._midnight(dma, day))
        strain = strain_of(dma, faults, stamps) if faults else None
        with _lock:
            self._walk(dma, day, rows, begin, strain)
        return rows

    def _midnight(self, dma: Dma, day: int) -> Memory:
        """Return what a calm day begins with: from the last 06:00 on, when the tank was full."""
        full = Memory(TANK_FULL_M, 0, 0)
        mornings = np.flatnonzero(self._mornings(day - 1))
        if day == 0 or self._mornings(day)[0] or not mornings.size:
            return full
        table, tank_m2, asked = self.pumps(dma.template), area_m2(dma.template), self.total(dma, day - 1)
        memory, controls = full, self._controls(dma, day - 1, None)
        for at in range(int(mornings[-1]), len(controls)):
            memory = advance(table, tank_m2, memory, float(asked[at]), self._step_h, controls[at]).after
        return memory

    def _mornings(self, day: int) -> NDArray[np.bool_]:
        """Return at which steps of a day the cheap hours have just ended."""
        night = is_night(self.clock(max(day, 0)).hour)
        before = is_night(self.clock(max(day - 1, 0)).hour[-1:])
        ended: NDArray[np.bool_] = ~night & np.concatenate([before, night[:-1]])
        return ended

    def _controls(self, dma: Dma, day: int, strain: Strain | None) -> list[Control]:
        """Return what the pumps can and must do at each step of a day; the lead is dealt out anew each morning."""
        night, mornings, lead = is_night(self.clock(day).hour).tolist(), self._mornings(day), (day + dma.number) % 2
        leads = [lead if morning else None for morning in mornings]
        if strain is None:
            return [Control(cheap, (True, True), to, unswitched=False) for cheap, to in zip(night, leads, strict=True)]
        able, unswitched = strain.able.T.tolist(), strain.unswitched.tolist()
        return [Control(*one) for one in zip(night, map(tuple, able), leads, unswitched, strict=True)]

    @property
    def _step_h(self) -> float:
        return self._step_s / 3_600

    def _walk(self, dma: Dma, day: int, rows: FloatArray, begin: int, strain: Strain | None) -> None:
        """Fill a day's rows, in place, from a step on."""
        table, tank_m2 = self.pumps(dma.template), area_m2(dma.template)
        taken = dma.taken_at @ self.customers(dma, day) + dma.leakage_m3_h * dma.template.shares[:, None]
        seen = dma.sensors.tolist()
        ground = dma.template.elevation_m[dma.sensors]
        controls = self._controls(dma, day, strain)
        solver = _solver(dma.template)
        solver.restart()
        for at in range(begin, taken.shape[1]):
            memory = Memory(float(rows[0, at]), int(rows[1, at]), int(rows[2, at]))
            if strain is not None:
                _apply(solver, strain, at)
            state = solver.solve(taken[:, at], memory.level_m, seen)
            step = advance(table, tank_m2, memory, state.inflow_m3_h, self._step_h, controls[at])
            rows[_MEMORY, at + 1] = _row_of(step.after)
            rows[_INFLOW:_PUMPED, at] = step.served * state.inflow_m3_h, step.served, step.spilt_m3_h
            rows[_PUMPED:_PRESSURES, at] = _pump_row(table, dma.template, memory.level_m, step)
            rows[_PRESSURES:, at] = np.maximum((state.heads_m - ground) * step.served, 0.0)


def _row_of(memory: Memory) -> tuple[float, int, int]:
    return memory.level_m, memory.wanted, memory.lead


def _pump_row(table: PumpTable, template: Template, level_m: float, step: Step) -> tuple[float, ...]:
    """Return flow of both pumps in m3/h, power of both in W, and whether they run."""
    power = table.power_w(template, step.running, level_m, sum(step.pumped_m3_h)) if step.running else 0.0
    runs = [float(each > 0) for each in step.pumped_m3_h]
    return *step.pumped_m3_h, runs[0] * power, runs[1] * power, *runs


def _apply(solver: Solver, strain: Strain, at: int) -> None:
    for junction, sizes in strain.emitters.items():
        solver.emit(junction, float(sizes[at]))
    for valve, losses in strain.losses.items():
        solver.throttle(valve, float(losses[at]))


def _flows_of(rows: FloatArray) -> Flows:
    steps = rows[:, :-1]
    return Flows(
        rows[_LEVEL],
        steps[_INFLOW],
        steps[_SERVED],
        steps[_SPILT],
        steps[_PUMPED:_POWER],
        steps[_POWER:_RUNNING],
        steps[_RUNNING:_PRESSURES],
        steps[_PRESSURES:],
    )
