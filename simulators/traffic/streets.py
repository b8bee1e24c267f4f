"""The streets: directed road segments between signalled junctions, and where cars turn.

A jittered grid; every third street is an arterial. Who drives where is a Markov chain of turns: cars set out on a
segment, turn at junctions by fixed shares and reach their destination with a fixed chance per segment. Green shares
are set to the flows of an ordinary rush hour, as a traffic engineer sets them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.asset import Place
from simulators.noise import FloatArray, day_generator
from simulators.traffic.hours import traffic_humps
from simulators.traffic.scale import Scale

IntArray = NDArray[np.int64]

METRES_PER_DEGREE = 111_195.0  # of latitude, on a sphere of 6,371 km
CENTRE = Place(46.770, 23.590)
SATURATION_PER_H = 1_800.0  # vehicles an hour and lane while the light is green
JAM_M = 7.0  # of a lane per standing vehicle
CYCLE_S = 90.0

_ARTERIAL_EVERY = 3
_TURNS = 3
_STRAIGHT, _SIDE, _BACK = 5.0, 1.0, 0.02
_AHEAD = 0.6  # cosine above which a turn is none
_ENDS_SHARE = 0.16
_BUSIEST_PER_H = 2_700.0
_LANE_PER_H = 850.0  # above which a street gets another lane
_SWEEPS = 120
_TIDE = 0.9  # how much more goes to the centre in the morning, and away from it in the afternoon
_ZONE_JUNCTIONS = 3
_HABIT_SD = 0.3  # by which parts of the city differ in morning and afternoon traffic
_AMPLE, _SCARCE, _SCARCE_SHARE = (0.66, 0.98), (1.0, 1.1), 0.08  # usual flow over capacity


@dataclass(frozen=True, slots=True)
class Streets:
    """The network; arrays of segments have shape (n,), n directed segments.

    Attributes
    ----------
    latitude, longitude
        Of each junction, deg.
    begin, end
        Junctions at both ends of a segment.
    length_m, lanes, free_m_s
        Of each segment; `free_m_s` is the speed on an empty dry street.
    green
        Share of the cycle that the signal at the end is green.
    capacity_per_h
        Vehicles that pass the end in an hour.
    storage
        Vehicles that stand on the segment when it is full.
    turn_to, turn_share
        Shape (n, 3): which segments follow, and with which share; shares of a row add up to 1.
    ends_share
        Share of the vehicles whose trip ends on a segment.
    sources_per_h
        Shape (n, 3): vehicles an hour that set out on a segment when the humps of `traffic_humps` are 1.
    usual_ratio
        Flow at the worst of an ordinary workday over capacity.
    zone
        Part of the city, for noise that neighbours share.
    """

    latitude: FloatArray
    longitude: FloatArray
    begin: IntArray
    end: IntArray
    length_m: FloatArray
    lanes: FloatArray
    free_m_s: FloatArray
    green: FloatArray
    capacity_per_h: FloatArray
    storage: FloatArray
    turn_to: IntArray
    turn_share: FloatArray
    ends_share: float
    sources_per_h: FloatArray
    usual_ratio: FloatArray
    zone: IntArray

    @property
    def free_s(self) -> FloatArray:
        """Seconds along each segment when it is empty, without the signal."""
        return self.length_m / self.free_m_s


def _junctions(scale: Scale, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    row, column = (part.ravel() for part in np.mgrid[: scale.rows, : scale.columns])
    jitter = rng.uniform(-0.16, 0.16, (2, row.size))
    north = (row - (scale.rows - 1) / 2 + jitter[0]) * scale.spacing_m
    east = (column - (scale.columns - 1) / 2 + jitter[1]) * scale.spacing_m
    east_degree = METRES_PER_DEGREE * np.cos(np.radians(CENTRE.latitude))
    return CENTRE.latitude + north / METRES_PER_DEGREE, CENTRE.longitude + east / east_degree


def _pairs(scale: Scale) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """Return both ends of each directed segment, and whether it is part of an arterial."""
    number = np.arange(scale.rows * scale.columns).reshape(scale.rows, scale.columns)
    along = (number[:, :-1].ravel(), number[:, 1:].ravel())
    across = (number[:-1].ravel(), number[1:].ravel())
    begin = np.concatenate([along[0], along[1], across[0], across[1]])
    end = np.concatenate([along[1], along[0], across[1], across[0]])
    street = np.concatenate([np.tile(along[0] // scale.columns, 2), np.tile(across[0] % scale.columns, 2)])
    return begin, end, street % _ARTERIAL_EVERY == 1


def metres_between(latitude: FloatArray, longitude: FloatArray, begin: IntArray, end: IntArray) -> FloatArray:
    """Return metres north and metres east from one junction to another; shape (2, n)."""
    north = (latitude[end] - latitude[begin]) * METRES_PER_DEGREE
    east = (longitude[end] - longitude[begin]) * METRES_PER_DEGREE * np.cos(np.radians(CENTRE.latitude))
    return np.stack([north, east])


def _turns(begin: IntArray, end: IntArray, way: FloatArray, arterial: NDArray[np.bool_]) -> tuple[IntArray, FloatArray]:
    """Return the three segments that follow each segment, and their shares; turning back is the last resort."""
    count = begin.size
    leaving = [np.flatnonzero(begin == junction) for junction in range(int(end.max()) + 1)]
    turn_to, weight = np.zeros((count, _TURNS), dtype=np.int64), np.zeros((count, _TURNS))
    unit = way / np.hypot(*way)
    for segment in range(count):
        onward = leaving[end[segment]]
        cosine = unit[:, segment] @ unit[:, onward]
        wish = np.where(cosine > _AHEAD, _STRAIGHT, np.where(cosine < -_AHEAD, _BACK, _SIDE))
        wish *= np.where(arterial[onward], 2.2, 1.0)
        best = np.argsort(-wish, kind="stable")[:_TURNS]
        turn_to[segment], weight[segment] = onward[best[0]], 0.0
        turn_to[segment, : best.size], weight[segment, : best.size] = onward[best], wish[best]
    return turn_to, weight / weight.sum(axis=1, keepdims=True)


def _steady(sources: FloatArray, turn_to: IntArray, turn_share: FloatArray) -> FloatArray:
    """Return the flow on each segment when sources stay as they are."""
    flow = sources.copy()
    for _ in range(_SWEEPS):
        passed = (1.0 - _ENDS_SHARE) * flow[:, None] * turn_share
        flow = sources + np.bincount(turn_to.ravel(), passed.ravel(), flow.size)
    return flow


def _tide(latitude: FloatArray, longitude: FloatArray, begin: IntArray, way: FloatArray) -> FloatArray:
    """Return how much a segment leads to the centre: 1 straight towards it, -1 straight away."""
    towards = np.stack([CENTRE.latitude - latitude[begin], (CENTRE.longitude - longitude[begin]) * 0.685])
    tide: FloatArray = (towards * way).sum(axis=0) / (np.hypot(*towards) * np.hypot(*way) + 1e-9)
    return tide


def _peak(sources: FloatArray, turn_to: IntArray, turn_share: FloatArray) -> FloatArray:
    """Return the largest flow on each segment at the rush hours of an ordinary workday."""
    humps = traffic_humps(np.array([7.9, 17.2]), 2)
    flows = [_steady(sources @ humps[:, rush], turn_to, turn_share) for rush in (0, 1)]
    return np.maximum(*flows)


def _zones(scale: Scale, end: IntArray) -> IntArray:
    """Return the part of the city in which each segment ends."""
    across = -(-scale.columns // _ZONE_JUNCTIONS)
    return (end // scale.columns // _ZONE_JUNCTIONS) * across + end % scale.columns // _ZONE_JUNCTIONS


def _sources(rng: np.random.Generator, zone: IntArray, tide: FloatArray, arterial: NDArray[np.bool_]) -> FloatArray:
    """Return who sets out on each segment by hump, in no unit yet; shape (n, 3)."""
    habits = np.exp(_HABIT_SD * rng.standard_normal((int(zone.max()) + 1, 2)))[zone]
    base = rng.gamma(6.0, 1.0 / 6.0, zone.size) * np.where(arterial, 1.5, 0.7)
    tides = np.stack([1 + _TIDE * tide, 1 - _TIDE * tide], axis=1) * habits
    sources: FloatArray = base[:, None] * np.concatenate([tides, np.ones((zone.size, 1))], axis=1)
    return sources


def _signals(rng: np.random.Generator, peak: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return lanes and green shares that fit the flows of a rush hour; some segments were built too small."""
    lanes = np.clip(np.ceil(peak / _LANE_PER_H), 1.0, 5.0)
    scarce = rng.random(peak.size) < _SCARCE_SHARE
    ratio = np.where(scarce, rng.uniform(*_SCARCE, peak.size), rng.uniform(*_AMPLE, peak.size))
    return lanes, np.clip(peak / (ratio * SATURATION_PER_H * lanes), 0.22, 0.78)


def build_streets(scale: Scale, seed: int) -> Streets:
    """Build the streets of a city of a size; the same seed gives the same streets."""
    rng = day_generator(seed, f"streets {scale.name}", 0)
    latitude, longitude = _junctions(scale, rng)
    begin, end, arterial = _pairs(scale)
    way = metres_between(latitude, longitude, begin, end)
    turn_to, turn_share = _turns(begin, end, way, arterial)
    zone = _zones(scale, end)
    sources = _sources(rng, zone, _tide(latitude, longitude, begin, way), arterial)
    peak = _peak(sources, turn_to, turn_share)
    factor = _BUSIEST_PER_H / np.quantile(peak, 0.9)
    lanes, green = _signals(rng, peak * factor)
    capacity, length_m = SATURATION_PER_H * lanes * green, np.hypot(*way)
    return Streets(
        latitude=latitude,
        longitude=longitude,
        begin=begin,
        end=end,
        length_m=length_m,
        lanes=lanes,
        free_m_s=np.where(arterial, 50.0, 40.0) / 3.6 * rng.uniform(0.92, 1.08, begin.size),
        green=green,
        capacity_per_h=capacity,
        storage=length_m * lanes / JAM_M,
        turn_to=turn_to,
        turn_share=turn_share,
        ends_share=_ENDS_SHARE,
        sources_per_h=sources * factor,
        usual_ratio=peak * factor / capacity,
        zone=zone,
    )
