"""Street lighting: two feeders of twenty lamps, lit from sunset to sunrise and dimmed in the small hours."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.asset import Place
from core.calendar import Calendar
from simulators.city import FEEDERS, LAMPS, LAMPS_PER_FEEDER, City
from simulators.fault import Fault, FaultKind, active
from simulators.noise import STEPS, FloatArray, autoregressive, day_generator
from simulators.rhythm import LocalDay, day_times_us, hump, local_day, sun_elevation

POWER_FACTOR = 0.95
CABLE_OHM = 0.25
CABINET_W = 6.0

_SUNSET_DEG = -0.833  # upper limb on the horizon, with refraction: NOAA's sunset
_LAMP_W = 92.0
_STANDBY_W = 0.5
_DIMMED = 0.6
_DIMMED_FROM_H, _DIMMED_TO_H = 23.0, 5.0
_NOMINAL_V = 230.0
_VOLTAGE_EXPONENT = 1.2


@dataclass(frozen=True, slots=True)
class LightingDay:
    """Lighting on one UTC day without faults, every 300 s from midnight.

    Attributes
    ----------
    burns
        Shape (2, 288): whether the feeder's lamps should burn.
    voltage
        Shape (2, 288), V.
    lit, standby
        Shape (40, 288): what each lamp would take burning and not burning, W, not rounded.
    """

    burns: NDArray[np.bool_]
    voltage: FloatArray
    lit: FloatArray
    standby: FloatArray


@lru_cache(maxsize=64)
def _lighting_day(seed: int, calendar: Calendar, day: int, places: tuple[Place, ...]) -> LightingDay:
    local = local_day(calendar, day)
    sun: FloatArray = np.stack([sun_elevation(place.latitude, place.longitude, day)[:STEPS] for place in places])
    evening_dip = 1.8 * hump(local.hour, 19.5, 3.0)[:STEPS]
    mains = autoregressive(seed, "mains", day, FEEDERS, 0.9)[:, :STEPS]
    voltage = 231.0 - evening_dip + 1.1 * mains
    each_lamp = 1.0 + 0.03 * day_generator(seed, "lamps", 0).standard_normal(LAMPS)
    flicker = 1.0 + 0.008 * autoregressive(seed, "lamps", day, LAMPS, 0.6)[:, :STEPS]
    of_voltage = np.repeat((voltage / _NOMINAL_V) ** _VOLTAGE_EXPONENT, LAMPS_PER_FEEDER, axis=0)
    lit = _LAMP_W * each_lamp[:, None] * _dimming(local) * of_voltage * flicker
    standby = _STANDBY_W + 0.06 * day_generator(seed, "standby", day).standard_normal((LAMPS, STEPS))
    return LightingDay(sun < _SUNSET_DEG, voltage, lit, np.clip(standby, 0.3, 0.7))


def _dimming(local: LocalDay) -> FloatArray:
    late = (local.hour >= _DIMMED_FROM_H) | (local.hour < _DIMMED_TO_H)
    return np.where(late[:STEPS], _DIMMED, 1.0)


def lighting_day(city: City, day: int) -> LightingDay:
    """Return lighting on a UTC day without faults."""
    places = tuple(asset.place for asset in city.assets if asset.kind == "feeder" and asset.place is not None)
    return _lighting_day(city.seed, city.calendar, day, places)


def _names(city: City, kind: str) -> list[str]:
    return [asset.name for asset in city.assets if asset.kind == kind]


def _lamp_power(city: City, day: int, nominal: LightingDay, faults: tuple[Fault, ...]) -> FloatArray:
    """Return what each lamp takes, feeders being alive: shape (40, 288), W."""
    burns = np.repeat(nominal.burns, LAMPS_PER_FEEDER, axis=0)
    power = np.where(burns, nominal.lit, nominal.standby)
    lamps, times_us = _names(city, "lamp"), day_times_us(day)
    for fault in faults:
        if fault.kind is FaultKind.LAMP_OUT:
            lamp = lamps.index(fault.asset)
            power[lamp, active(fault, times_us) & burns[lamp]] = 0.0
        elif fault.kind is FaultKind.DAY_BURNER:
            lamp = lamps.index(fault.asset)
            day_time = active(fault, times_us) & ~burns[lamp]
            power[lamp, day_time] = nominal.lit[lamp, day_time]
    return power


def _supplied(city: City, day: int, faults: tuple[Fault, ...]) -> NDArray[np.bool_]:
    supplied = np.ones((FEEDERS, STEPS), dtype=np.bool_)
    feeders = _names(city, "feeder")
    for fault in faults:
        if fault.kind is FaultKind.FEEDER_LOSS:
            supplied[feeders.index(fault.asset)] &= ~active(fault, day_times_us(day))
    return supplied


def feeder_power(lamps: FloatArray, voltage: FloatArray) -> FloatArray:
    """Return what a feeder delivers: its lamps, the loss in its cable and its own cabinet.

    Parameters
    ----------
    lamps
        Shape (2, 20, 288), W.
    voltage
        Shape (2, 288), V; greater than 0.

    Returns
    -------
    Shape (2, 288), W.
    """
    delivered = lamps.sum(axis=1)
    current = delivered / (voltage * POWER_FACTOR)
    total: FloatArray = delivered + CABLE_OHM * current**2 + CABINET_W
    return total


def lighting_values(city: City, day: int, faults: tuple[Fault, ...] = ()) -> FloatArray:
    """Return what lighting's meters say on a UTC day, nothing missing.

    Returns
    -------
    Shape (46, 288): active power in W, voltage in V and current in A of each feeder, then active power of each
    lamp; rounded as the meters do.
    """
    nominal = lighting_day(city, day)
    supplied = _supplied(city, day, faults)
    lamps = _lamp_power(city, day, nominal, faults) * np.repeat(supplied, LAMPS_PER_FEEDER, axis=0)
    power = feeder_power(lamps.reshape(FEEDERS, LAMPS_PER_FEEDER, STEPS), nominal.voltage)
    error = day_generator(city.seed, "meters", day).standard_normal((2, FEEDERS, STEPS))
    metered = power * (1.0 + 0.002 * error[0]) + 0.15 * error[1]
    current = metered / (nominal.voltage * POWER_FACTOR)
    meters = np.stack([np.round(metered, 1), np.round(nominal.voltage, 1), np.round(current, 3)], axis=1)
    meters = meters * supplied[:, None, :]
    return np.concatenate([meters.reshape(3 * FEEDERS, STEPS), np.round(lamps, 1)])
