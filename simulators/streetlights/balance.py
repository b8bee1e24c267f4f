"""The truth behind the meters: lamps, cable losses, cabinets and feeders, in balance at every step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.fault import FaultKind
from simulators.noise import FloatArray
from simulators.streetlights.breaks import Break
from simulators.streetlights.dimming import dimming
from simulators.streetlights.equipment import CABINET_W, FEEDER_W, STANDBY_POWER_FACTOR
from simulators.streetlights.lamps import BAD_POWER_FACTOR, LampDay, lamp_day
from simulators.streetlights.mains import feeder_voltage
from simulators.streetlights.plant import Plant
from simulators.streetlights.switching import commanded, planned


@dataclass(frozen=True, slots=True, eq=False)
class NodeDay:
    """All cabinets, or all feeders, on one UTC day; arrays of shape (n, steps), means of the step before each stamp.

    Attributes
    ----------
    power
        Everything behind it, what cables lose and what it takes itself, W; 0 without supply.
    reactive
        V.A.
    voltage
        V, as if supplied.
    loss
        What the cables behind it lose, W; part of `power`.
    own
        What it takes itself, W; part of `power`.
    supplied
        Whether it has any supply.
    """

    power: FloatArray
    reactive: FloatArray
    voltage: FloatArray
    loss: FloatArray
    own: FloatArray
    supplied: NDArray[np.bool_]

    @property
    def apparent(self) -> FloatArray:
        """V.A."""
        return np.hypot(self.power, self.reactive)

    @property
    def current(self) -> FloatArray:
        """A, of all phases together; 0 without supply."""
        return self.apparent / self.voltage


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Street lighting on one UTC day without any meter's error.

    Attributes
    ----------
    lamps, cabinets, feeders
        By number. A cabinet's power is the sum of its lamps', its `loss` and its `own`; a feeder's likewise of its
        cabinets'.
    """

    lamps: LampDay
    cabinets: NodeDay
    feeders: NodeDay


def _reactive(power: FloatArray, apparent: FloatArray) -> FloatArray:
    return np.sqrt(np.maximum(apparent**2 - power**2, 0.0))


def _supplied(plant: Plant, day: int, breaks: Sequence[Break]) -> NDArray[np.bool_]:
    """Return which feeders are supplied; shape (feeders, steps)."""
    supplied = np.ones((plant.scale.feeders, plant.steps), dtype=np.bool_)
    for each in breaks:
        if each.kind is FaultKind.FEEDER_LOSS:
            supplied[each.number, each.during(plant.stamps_us(day))] = False
    return supplied


def _node(sums: Sequence[FloatArray], own_w: float, voltage: FloatArray, supplied: NDArray[np.bool_]) -> NodeDay:
    """Return a node from the sums of active power, reactive power and loss behind it, and what it takes itself."""
    power, reactive, loss = sums
    own: FloatArray = np.where(supplied, own_w, 0.0)
    own_reactive = own * np.sqrt(STANDBY_POWER_FACTOR**-2 - 1.0)
    return NodeDay(power + loss + own, reactive + own_reactive, voltage, loss, own, supplied)


def _cabinet_voltage(plant: Plant, day: int) -> FloatArray:
    """Return the voltage at each cabinet, V: what breaks elsewhere moves it by less than meters see and is left out."""
    power = dimming(plant.calendar, day, plant.step_s).power[plant.equipment.schedule_of_cabinet]
    load = (planned(plant, day) * power).reshape(plant.scale.feeders, -1, plant.steps).mean(axis=1)
    feeder = plant.layout.feeder_of_cabinet
    drop: FloatArray = plant.equipment.feeder_drop_v[:, None] * load[feeder]
    return feeder_voltage(plant, day)[feeder] - drop


def _cabinets(plant: Plant, day: int, lamps: LampDay, voltage: FloatArray, breaks: Sequence[Break]) -> NodeDay:
    shape = (plant.scale.cabinets, plant.scale.lamps_per_cabinet, plant.steps)
    supplied = _supplied(plant, day, breaks)[plant.layout.feeder_of_cabinet]
    lost = lamps.apparent / lamps.voltage
    lost *= voltage[plant.layout.cabinet_of_lamp] - lamps.voltage
    sums = [behind.reshape(shape).sum(axis=1) for behind in (lamps.power, _reactive(lamps.power, lamps.apparent), lost)]
    node = _node(sums, CABINET_W, voltage, supplied)
    for each in breaks:
        if each.kind is FaultKind.POWER_FACTOR and each.is_of_cabinet:
            when = each.during(plant.stamps_us(day)) & (planned(plant, day)[each.number] > 0)
            node.reactive[each.number, when] = node.power[each.number, when] * np.sqrt(
                each.chosen(*BAD_POWER_FACTOR) ** -2 - 1.0
            )
    return node


def _feeders(plant: Plant, day: int, cabinets: NodeDay, breaks: Sequence[Break]) -> NodeDay:
    shape = (plant.scale.feeders, plant.scale.cabinets_per_feeder, plant.steps)
    voltage = feeder_voltage(plant, day)
    lost = cabinets.current * (voltage[plant.layout.feeder_of_cabinet] - cabinets.voltage)
    sums = [behind.reshape(shape).sum(axis=1) for behind in (cabinets.power, cabinets.reactive, lost)]
    return _node(sums, FEEDER_W, voltage, _supplied(plant, day, breaks))


def truth_of(plant: Plant, day: int, breaks: Sequence[Break] = ()) -> Truth:
    """Return street lighting on a UTC day as it really is, with what is broken of it."""
    voltage = _cabinet_voltage(plant, day)
    lamps = lamp_day(plant, day, voltage, commanded(plant, day, breaks), breaks)
    cabinets = _cabinets(plant, day, lamps, voltage, breaks)
    return Truth(lamps, cabinets, _feeders(plant, day, cabinets, breaks))
