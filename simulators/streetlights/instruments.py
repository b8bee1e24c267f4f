"""What meters make of the truth: gain, noise, resolution; what they show without supply; what they lose."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.fault import FaultKind
from simulators.noise import FloatArray
from simulators.streetlights.balance import NodeDay, Truth
from simulators.streetlights.breaks import Break
from simulators.streetlights.plant import Plant
from simulators.streetlights.registry import rows

BATTERY_H = 6.0
"""For how long a cabinet's meter goes on without supply, showing 0; then it is silent until supply returns."""

MISSING = 0.007
"""Share of a meter's messages that never arrive; a message holds all that the meter measures at a stamp."""

_FEEDER_NOISE, _CABINET_NOISE, _LAMP_NOISE = 0.003, 0.0045, 0.006
_LEAST_NOISE_W = 0.05
_FEEDER_V, _CABINET_V, _LAMP_V = 0.05, 0.2, 0.3
_FACTOR = 0.004
_MICRO = 1_000_000
_HOUR_US = 3600 * _MICRO


def _noise(plant: Plant, purpose: str, day: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return plant.generator(f"meter-{purpose}", day).standard_normal(shape, dtype=np.float32)


def _power(plant: Plant, purpose: str, day: int, power: FloatArray, gain: FloatArray, noise: float) -> FloatArray:
    """Return active power as metered, W, not rounded; 0 stays 0."""
    error = noise * power + _LEAST_NOISE_W
    error *= _noise(plant, purpose, day, power.shape)
    shown: FloatArray = power * (1.0 + gain)[:, None]
    shown += error
    shown[power == 0.0] = 0.0
    np.maximum(shown, 0.0, out=shown)
    return shown


def _factor(plant: Plant, purpose: str, day: int, power: FloatArray, apparent: FloatArray) -> FloatArray:
    """Return the power factor as metered, not rounded; NaN where nothing flows."""
    factor: FloatArray = np.divide(power, apparent, out=np.full(power.shape, np.nan), where=apparent > 0.0)
    factor += _FACTOR * _noise(plant, purpose, day, power.shape)
    factor.clip(0.0, 1.0, out=factor)
    return factor


def _show_feeders(plant: Plant, day: int, node: NodeDay, out: dict[str, FloatArray]) -> None:
    """Fill in what feeders show: their meters live on the substation's supply, so that a lost feeder shows 0."""
    power = _power(plant, "feeder-power", day, node.power, plant.equipment.feeder_gain, _FEEDER_NOISE)
    voltage = (node.voltage + _FEEDER_V * _noise(plant, "feeder-voltage", day, power.shape)) * node.supplied
    current = np.divide(node.apparent, node.power, out=np.zeros(power.shape), where=node.power > 0.0)
    current *= np.divide(power, voltage, out=np.zeros(power.shape), where=voltage > 0.0)
    np.round(power, 1, out=out["active_power"])
    np.round(voltage, 1, out=out["voltage"])
    np.round(current, 2, out=out["current"])


def _flat(plant: Plant, day: int, breaks: Sequence[Break]) -> NDArray[np.bool_]:
    """Return where cabinets' batteries are empty; shape (cabinets, steps)."""
    flat = np.zeros((plant.scale.cabinets, plant.steps), dtype=np.bool_)
    stamps = plant.stamps_us(day)
    for each in breaks:
        if each.kind is FaultKind.FEEDER_LOSS:
            late = each.during(stamps) & (stamps >= each.start_us + int(BATTERY_H * _HOUR_US))
            flat[np.ix_(plant.layout.cabinets_of_feeder(each.number), late)] = True
    return flat


def _show_cabinets(plant: Plant, day: int, node: NodeDay, out: dict[str, FloatArray], flat: NDArray[np.bool_]) -> None:
    power = _power(plant, "cabinet-power", day, node.power, plant.equipment.cabinet_gain, _CABINET_NOISE)
    voltage = (node.voltage + _CABINET_V * _noise(plant, "cabinet-voltage", day, power.shape)) * node.supplied
    factor = _factor(plant, "cabinet-factor", day, node.power, node.apparent)
    current = np.divide(power, voltage * factor, out=np.zeros(power.shape), where=voltage * factor > 0.0)
    energy = node.power * (1.0 + plant.equipment.cabinet_gain)[:, None] * (plant.step_s / 3600.0)
    energy[:, 0] = 0.0
    np.round(power, 1, out=out["active_power"])
    np.round(voltage, 2, out=out["voltage"])
    np.round(current, 3, out=out["current"])
    np.round(factor, 3, out=out["power_factor"])
    np.round(np.cumsum(energy, axis=1), 0, out=out["energy"])
    for values in out.values():
        values[flat] = np.nan


def _show_lamps(plant: Plant, day: int, truth: Truth, out: dict[str, FloatArray], smart: dict[str, FloatArray]) -> None:
    """Fill in what lamps show: their meters have no other supply than they, and are silent without."""
    lamps, which = truth.lamps, plant.layout.smart
    power = _power(plant, "lamp-power", day, lamps.power, plant.equipment.lamp_gain, _LAMP_NOISE)
    np.round(power, 1, out=out["active_power"])
    out["active_power"][~lamps.supplied] = np.nan
    power, voltage = power[which], lamps.voltage[which]
    voltage += _LAMP_V * _noise(plant, "lamp-voltage", day, voltage.shape)
    factor = _factor(plant, "lamp-factor", day, lamps.power[which], lamps.apparent[which])
    np.round(voltage, 1, out=smart["voltage"])
    np.round(power / (voltage * factor), 3, out=smart["current"])
    np.round(factor, 3, out=smart["power_factor"])
    np.round(100.0 * lamps.level, 0, out=smart["dimming_level"])
    for values in smart.values():
        values[~lamps.supplied[which]] = np.nan


def shown(plant: Plant, day: int, truth: Truth, breaks: Sequence[Break]) -> FloatArray:
    """Return what sound meters show on a UTC day, no message being lost; shape (series, steps), rounded."""
    where = rows(plant.scale)
    values = np.empty((max(each.stop for each in where.values()), plant.steps))
    parts: dict[str, dict[str, FloatArray]] = {}
    for (kind, metric), each in where.items():
        parts.setdefault(kind, {})[metric] = values[each]
    _show_feeders(plant, day, truth.feeders, parts["feeder"])
    _show_cabinets(plant, day, truth.cabinets, parts["cabinet"], _flat(plant, day, breaks))
    _show_lamps(plant, day, truth, parts["lamp"], parts["smart"])
    return values


def lose_messages(plant: Plant, day: int, values: FloatArray) -> None:
    """Put NaN where a message never arrived."""
    scale, where = plant.scale, rows(plant.scale)
    lost = {
        kind: plant.generator(f"missing-{kind}", day).random((count, plant.steps), dtype=np.float32) < MISSING
        for kind, count in (("feeder", scale.feeders), ("cabinet", scale.cabinets), ("lamp", scale.lamps))
    }
    lost["smart"] = lost["lamp"][plant.layout.smart]
    for (kind, _), each in where.items():
        values[each][lost[kind]] = np.nan
