"""Which share of each step a cabinet's lamps are switched on: photocells, the sun, the weather, and their faults."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

import numpy as np

from simulators.fault import FaultKind
from simulators.noise import FloatArray
from simulators.rhythm import DAY_US
from simulators.streetlights.breaks import BURN_KINDS, Break
from simulators.streetlights.layout import CENTRE
from simulators.streetlights.plant import Plant
from simulators.streetlights.sun import crossings_s

_DAY_S = 86_400.0
_SECOND_US = 1_000_000

_CLOUD_DEG = 1.4  # an overcast sky lets the fifth part of the light through
_RAIN_DEG_PER_MM_H, _MOST_RAIN_DEG = 0.5, 1.2
_CLOUDINESS = (0.7, 0.8)  # of a beta distribution: mostly clear or mostly overcast
_JITTER_DEG = 0.08
_DELAY_S = (20.0, 90.0)  # photocells wait, so that headlights do not switch them
_DRIFT_DEG = 6.0
_TYPICAL_DEG = -2.0

_CROSSINGS: tuple[tuple[int, bool], ...] = ((-1, False), (0, True), (0, False), (1, True))
"""Evening and morning crossings that matter to a day, as days from it, and whether the sun rises."""


@lru_cache(maxsize=64)
def weather_lift_deg(plant: Plant, day: int, *, rising: bool) -> float:
    """Return by how much clouds and rain raise the sun's elevation at which it is as dark as under a clear sky."""
    middle = np.array([CENTRE])
    at_us = (
        max(day, 0) * DAY_US + int(crossings_s(day, np.array([_TYPICAL_DEG]), middle, rising=rising)[0]) * _SECOND_US
    )
    rain = float(plant.surroundings.rain(np.array([at_us], dtype=np.int64))[0])
    cloud = float(plant.generator(f"cloud-{rising}", day).beta(*_CLOUDINESS)) if rain == 0 else 1.0
    return _CLOUD_DEG * cloud + min(_RAIN_DEG_PER_MM_H * rain, _MOST_RAIN_DEG)


def _switching_s(plant: Plant, day: int, *, rising: bool, drift_deg: FloatArray | None = None) -> FloatArray:
    """Return when each cabinet switches, on in the evening or off in the morning; shape (cabinets,), s of the day."""
    rng = plant.generator(f"photocell-{rising}", day)
    threshold = plant.equipment.off_deg if rising else plant.equipment.on_deg
    elevation = threshold + weather_lift_deg(plant, day, rising=rising)
    elevation = elevation + _JITTER_DEG * np.clip(rng.standard_normal(plant.scale.cabinets), -3, 3)
    delay = rng.uniform(*_DELAY_S, plant.scale.cabinets)
    if drift_deg is not None:
        elevation = elevation + drift_deg
    return crossings_s(day, elevation, plant.layout.cabinet_place, rising=rising) + delay


def _shares(plant: Plant, switching_s: Sequence[FloatArray]) -> FloatArray:
    """Return which share of each step lies between on and off; a step ends at its stamp. Shape (cabinets, steps)."""
    end = np.arange(plant.steps) * float(plant.step_s)
    begin = end - plant.step_s
    seconds = np.zeros((plant.scale.cabinets, plant.steps))
    for on, off in (switching_s[:2], switching_s[2:]):
        seconds += np.clip(np.minimum(off[:, None], end) - np.maximum(on[:, None], begin), 0.0, None)
    return seconds / plant.step_s


@lru_cache(maxsize=8)
def planned(plant: Plant, day: int) -> FloatArray:
    """Return the share of each step for which each cabinet is on, nothing broken: (cabinets, steps), read-only."""
    times = [_switching_s(plant, day + away, rising=rising) + away * _DAY_S for away, rising in _CROSSINGS]
    shares = _shares(plant, times)
    shares.flags.writeable = False
    return shares


def _drifted(plant: Plant, day: int, drift: Break) -> FloatArray:
    """Return the shares of a drifting cabinet: the drift grows from none at the fault's start to all at its end."""
    sign = 1.0 if drift.key % 2 else -1.0
    times = []
    for away, rising in _CROSSINGS:
        nominal_us = _switching_s(plant, day + away, rising=rising)[drift.number] * _SECOND_US + (day + away) * DAY_US
        grown = np.clip((nominal_us - drift.start_us) / (drift.end_us - drift.start_us), 0.0, 1.0)
        shift = np.full(plant.scale.cabinets, sign * _DRIFT_DEG * grown)
        times.append(_switching_s(plant, day + away, rising=rising, drift_deg=shift) + away * _DAY_S)
    share: FloatArray = _shares(plant, times)[drift.number]
    return share


def commanded(plant: Plant, day: int, breaks: Sequence[Break]) -> FloatArray:
    """Return the share of each step for which each cabinet is on, with what is broken of whole cabinets.

    Who burns by day wins over who does not switch on, and either over a drifting photocell.
    """
    shares = planned(plant, day).copy()
    for each in _of_cabinets(breaks, {FaultKind.PHOTOCELL_DRIFT}):
        when = each.during(plant.stamps_us(day))
        shares[each.number, when] = _drifted(plant, day, each)[when]
    for kinds, share in (({FaultKind.NO_SWITCH_ON}, 0.0), (BURN_KINDS, 1.0)):
        for each in _of_cabinets(breaks, kinds):
            shares[each.number, each.during(plant.stamps_us(day))] = share
    return shares


def _of_cabinets(breaks: Sequence[Break], kinds: AbstractSet[FaultKind]) -> list[Break]:
    return [each for each in breaks if each.is_of_cabinet and each.kind in kinds]
