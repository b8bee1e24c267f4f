"""Which lamp hangs on which cable, phase, cabinet and feeder, and where all of them stand."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.noise import FloatArray, day_generator
from simulators.streetlights.scale import Scale

IntArray = NDArray[np.int64]

PHASES = 3

CENTRE = (46.77, 23.59)
"""Latitude and longitude of the city's centre, WGS 84."""

ZONES: tuple[tuple[str, float, float], ...] = (
    ("Centru", 46.7700, 23.5897),
    ("Mănăștur", 46.7570, 23.5580),
    ("Gheorgheni", 46.7680, 23.6260),
    ("Mărăști", 46.7810, 23.6150),
    ("Zorilor", 46.7550, 23.5880),
    ("Grigorescu", 46.7690, 23.5550),
    ("Iris", 46.7960, 23.6050),
    ("Someșeni", 46.7800, 23.6550),
    ("Bună Ziua", 46.7440, 23.6050),
    ("Dâmbul Rotund", 46.7880, 23.5650),
)
"""Parts of the city: name, latitude and longitude of the middle."""

_METRES_PER_DEGREE = 111_320.0
_ZONE_RADIUS_M = 500.0
_CABINET_SPACING_M = 240.0
_LAMP_SPACING_M = 32.0
_KERB_M = 1.5  # a lamp stands off the street's line by about this much


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The things of street lighting by number; all arrays are read-only.

    A feeder's cabinets follow each other, so do a cabinet's lamps, cable by cable, from the cabinet outwards.

    Attributes
    ----------
    scale
        How many of each.
    feeder_of_cabinet
        Shape (cabinets,).
    cabinet_of_lamp, phase_of_lamp
        Shape (lamps,): phase 0 to 2.
    smart
        Shape (smart lamps,): their numbers, ascending.
    feeder_place, cabinet_place, lamp_place
        Shape (n, 2): latitude and longitude, WGS 84, rounded to 0.1 m.
    """

    scale: Scale
    feeder_of_cabinet: IntArray
    cabinet_of_lamp: IntArray
    phase_of_lamp: IntArray
    smart: IntArray
    feeder_place: FloatArray
    cabinet_place: FloatArray
    lamp_place: FloatArray

    def lamps_of_cabinet(self, cabinet: int) -> IntArray:
        """Return the numbers of a cabinet's lamps."""
        count = self.scale.lamps_per_cabinet
        return np.arange(cabinet * count, (cabinet + 1) * count)

    def lamps_of_feeder(self, feeder: int) -> IntArray:
        """Return the numbers of a feeder's lamps."""
        count = self.scale.cabinets_per_feeder * self.scale.lamps_per_cabinet
        return np.arange(feeder * count, (feeder + 1) * count)

    def cabinets_of_feeder(self, feeder: int) -> IntArray:
        """Return the numbers of a feeder's cabinets."""
        count = self.scale.cabinets_per_feeder
        return np.arange(feeder * count, (feeder + 1) * count)

    def lamps_from(self, lamp: int) -> IntArray:
        """Return the numbers of a lamp and of all behind it on its cable."""
        count = self.scale.lamps_per_cable
        return np.arange(lamp, (lamp // count + 1) * count)

    def zone(self, feeder: int) -> str:
        """Return the part of the city that a feeder supplies."""
        return ZONES[feeder % len(ZONES)][0]


def _moved(place: FloatArray, metres: FloatArray, bearing: FloatArray) -> FloatArray:
    """Return where one gets from a place (n, 2) by so many metres in a direction (radians from north)."""
    north, east = metres * np.cos(bearing), metres * np.sin(bearing)
    shift = np.stack([north, east / np.cos(np.radians(CENTRE[0]))], axis=-1) / _METRES_PER_DEGREE
    return np.round(place + shift, 6)


def _feeder_places(scale: Scale, rng: np.random.Generator) -> FloatArray:
    middle = np.array([ZONES[feeder % len(ZONES)][1:] for feeder in range(scale.feeders)])
    away = _ZONE_RADIUS_M * np.sqrt(rng.random(scale.feeders))
    return _moved(middle, away, rng.uniform(0, 2 * np.pi, scale.feeders))


def _cabinet_places(scale: Scale, feeders: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the cabinets' places, on both sides of their feeder along one street, and that street's bearing."""
    bearing = np.repeat(rng.uniform(0, np.pi, scale.feeders), scale.cabinets_per_feeder)
    number = np.tile(np.arange(scale.cabinets_per_feeder), scale.feeders)
    side = np.where(number % 2 == 0, 1.0, -1.0)
    away = side * (number // 2 + 0.5) * _CABINET_SPACING_M + rng.normal(0, 20.0, scale.cabinets)
    return _moved(np.repeat(feeders, scale.cabinets_per_feeder, axis=0), away, bearing), bearing


def _lamp_places(scale: Scale, cabinets: FloatArray, bearing: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the lamps' places: each cable follows a street of its own, away from the cabinet."""
    cables = scale.cables_per_cabinet
    turn = np.tile(np.arange(cables) * 2 * np.pi / cables, scale.cabinets) + np.pi / 2
    street = np.repeat(np.repeat(bearing, cables) + turn, scale.lamps_per_cable)
    position = np.tile(np.arange(1, scale.lamps_per_cable + 1), scale.cabinets * cables)
    along = position * _LAMP_SPACING_M + rng.normal(0, 1.0, scale.lamps)
    start = np.repeat(cabinets, scale.lamps_per_cabinet, axis=0)
    return _moved(_moved(start, along, street), rng.normal(0, _KERB_M, scale.lamps), street + np.pi / 2)


@lru_cache(maxsize=4)
def layout_of(scale: Scale, seed: int) -> Layout:
    """Return the things of a street lighting of some scale; the seed decides where they stand and which are smart."""
    rng = day_generator(seed, "streetlights/layout", 0)
    feeders = _feeder_places(scale, rng)
    cabinets, bearing = _cabinet_places(scale, feeders, rng)
    lamps = _lamp_places(scale, cabinets, bearing, rng)
    number = np.arange(scale.lamps)
    layout = Layout(
        scale=scale,
        feeder_of_cabinet=np.arange(scale.cabinets) // scale.cabinets_per_feeder,
        cabinet_of_lamp=number // scale.lamps_per_cabinet,
        phase_of_lamp=number % scale.lamps_per_cable % PHASES,
        smart=np.sort(rng.permutation(scale.lamps)[: scale.smart_lamps]),
        feeder_place=feeders,
        cabinet_place=cabinets,
        lamp_place=lamps,
    )
    for name in Layout.__slots__:
        if name != "scale":
            getattr(layout, name).flags.writeable = False
    return layout
