"""What lamps really take: burning, dimmed, aged, broken."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.fault import FaultKind
from simulators.noise import FloatArray
from simulators.streetlights.breaks import BURN_KINDS, Break
from simulators.streetlights.dimming import dimming
from simulators.streetlights.equipment import NOMINAL_V, STANDBY_POWER_FACTOR
from simulators.streetlights.mains import slow_noise
from simulators.streetlights.plant import Plant

BAD_POWER_FACTOR = (0.5, 0.7)
"""Of what has lost its capacitor, from and to."""

_VOLTAGE_EXPONENT = 0.12  # drivers hold the power nearly constant
_PER_KELVIN = -0.0004
_REFERENCE_CEL = 10.0
_COMMON, _COMMON_S = 0.003, 1_800.0
_DUTY = (0.05, 0.95)

_DARK_KINDS = frozenset({FaultKind.LAMP_OUT, FaultKind.GROUP_OUT})
_UNSUPPLIED_KINDS = frozenset({FaultKind.FEEDER_LOSS, FaultKind.CABLE_THEFT})


@dataclass(frozen=True, slots=True, eq=False)
class LampDay:
    """All lamps on one UTC day, mean of each step that ends at its stamp; arrays of shape (lamps, steps).

    Attributes
    ----------
    power, apparent
        W and V.A; 0 without supply.
    voltage
        At the lamp, V.
    supplied
        Whether there is any.
    level
        Shape (smart lamps, steps): light they were told to give, 0 to 1.
    """

    power: FloatArray
    apparent: FloatArray
    voltage: FloatArray
    supplied: NDArray[np.bool_]
    level: FloatArray


def _lamp_wise(breaks: Sequence[Break], kinds: frozenset[FaultKind]) -> list[Break]:
    return [each for each in breaks if each.kind in kinds]


def _told(plant: Plant, day: int, commanded: FloatArray, breaks: Sequence[Break]) -> FloatArray:
    """Return the share of each step for which each lamp is switched on; shape (lamps, steps)."""
    told: FloatArray = commanded[plant.layout.cabinet_of_lamp]
    for each in _lamp_wise(breaks, BURN_KINDS):
        if not each.is_of_cabinet:
            told[each.number, each.during(plant.stamps_us(day))] = 1.0
    return told


def _darken(plant: Plant, day: int, burning: FloatArray, breaks: Sequence[Break]) -> None:
    """Take from the burning shares what is dark although switched on."""
    stamps = plant.stamps_us(day)
    for each in _lamp_wise(breaks, frozenset({FaultKind.FLICKER})):
        duty = plant.generator(f"flicker-{each.key}", day).uniform(*_DUTY, plant.steps)
        burning[each.number] *= np.where(each.during(stamps), duty, 1.0)
    for each in _lamp_wise(breaks, _DARK_KINDS):
        burning[np.ix_(each.lamps, each.during(stamps))] = 0.0


def _supplied(plant: Plant, day: int, breaks: Sequence[Break]) -> NDArray[np.bool_]:
    supplied = np.ones((plant.scale.lamps, plant.steps), dtype=np.bool_)
    for each in _lamp_wise(breaks, _UNSUPPLIED_KINDS):
        supplied[np.ix_(each.lamps, each.during(plant.stamps_us(day)))] = False
    return supplied


def _common(plant: Plant, day: int, cabinet_voltage: FloatArray) -> FloatArray:
    """Return what raises or lowers all lamps of a cabinet alike; shape (cabinets, steps), about 1."""
    warm = plant.surroundings.temperature(plant.stamps_us(day)) - _REFERENCE_CEL
    noise = slow_noise(plant, "lamps", day, plant.scale.cabinets, _COMMON_S)
    common: FloatArray = (1.0 + _COMMON * noise) * (cabinet_voltage / NOMINAL_V) ** _VOLTAGE_EXPONENT
    return common * (1.0 + _PER_KELVIN * warm)


def _factor_lit(plant: Plant, day: int, breaks: Sequence[Break]) -> FloatArray:
    """Return each lamp's power factor while it burns; shape (lamps, steps)."""
    equipment = plant.equipment
    factor = dimming(plant.calendar, day, plant.step_s).factor[equipment.schedule_of_lamp]
    factor *= equipment.power_factor[:, None]
    for each in _lamp_wise(breaks, frozenset({FaultKind.POWER_FACTOR})):
        if not each.is_of_cabinet:
            factor[each.number, each.during(plant.stamps_us(day))] = each.chosen(*BAD_POWER_FACTOR)
    return factor


def lamp_day(
    plant: Plant, day: int, cabinet_voltage: FloatArray, commanded: FloatArray, breaks: Sequence[Break]
) -> LampDay:
    """Return what all lamps take on a UTC day.

    Parameters
    ----------
    cabinet_voltage
        Shape (cabinets, steps), V, as if supplied.
    commanded
        Share of each step for which a cabinet is on; shape (cabinets, steps).
    breaks
        What is broken.
    """
    layout, equipment = plant.layout, plant.equipment
    dimmed, cabinet = dimming(plant.calendar, day, plant.step_s), layout.cabinet_of_lamp
    burning = _told(plant, day, commanded, breaks)
    level = burning[layout.smart] * dimmed.level[equipment.schedule_of_lamp[layout.smart]]
    _darken(plant, day, burning, breaks)
    lit = dimmed.power[equipment.schedule_of_lamp]
    lit *= _common(plant, day, cabinet_voltage)[cabinet]
    lit *= equipment.power_w(day)[:, None]
    lit *= burning
    standby = (1.0 - burning) * equipment.standby_w[:, None]
    supplied = _supplied(plant, day, breaks)
    apparent = (lit / _factor_lit(plant, day, breaks) + standby / STANDBY_POWER_FACTOR) * supplied
    power = (lit + standby) * supplied
    load = commanded * dimmed.power[equipment.schedule_of_cabinet]
    voltage = cabinet_voltage[cabinet] - equipment.cable_drop_v[:, None] * load[cabinet]
    return LampDay(power, apparent, voltage, supplied, level)
