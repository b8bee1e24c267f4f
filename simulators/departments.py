"""The departments of a simulated city, by the city's name, and what can break in each."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from core.asset import Place
from core.calendar import Calendar
from simulators import tiny
from simulators.city import TINY, City
from simulators.department import Department
from simulators.fault import Fault, FaultKind
from simulators.surroundings import Surroundings

STADIUM = Place(46.7687, 23.5724)
_SLOW_STEP_S, _TRAFFIC_STEP_S = 900, 300


class Branch(NamedTuple):
    """A department of a city.

    Attributes
    ----------
    breaks
        Kinds of faults, and the kinds of assets that each can befall.
    lasts_h
        Ordinary durations in hours, shortest and longest.
    """

    department: Department
    breaks: Mapping[FaultKind, tuple[str, ...]]
    lasts_h: Mapping[FaultKind, tuple[float, float]]


@lru_cache(maxsize=4)
def branches_of(city: City) -> tuple[Branch, ...]:
    """Return a city's departments, in the order of its series."""
    if city.name == TINY:
        return (
            Branch(tiny.Buses(city), tiny.BUS_BREAKS, tiny.LASTS_H),
            Branch(tiny.Ground(city), tiny.GROUND_BREAKS, tiny.LASTS_H),
        )
    return built(city.name, city.seed, city.calendar)


@lru_cache(maxsize=4)
def built(name: str, seed: int, calendar: Calendar) -> tuple[Branch, ...]:
    """Build the departments of a city of some size: transport, water, lighting.

    Parameters
    ----------
    name
        `small` or `medium`.
    """
    from simulators import streetlights, traffic, waterworks

    around = Surroundings(seed, calendar, STADIUM)
    water_scale = {"small": waterworks.SMALL, "medium": waterworks.MEDIUM}[name]
    roads = traffic.build_traffic(
        traffic.SCALES[name], seed=seed, calendar=calendar, surroundings=around, step_s=_TRAFFIC_STEP_S
    )
    water = waterworks.build_waterworks(
        water_scale, seed=seed, calendar=calendar, surroundings=around, step_s=_SLOW_STEP_S
    )
    lights = streetlights.build_streetlights(
        streetlights.PRESETS[name], seed=seed, calendar=calendar, surroundings=around, step_s=_SLOW_STEP_S
    )
    return (
        Branch(roads, traffic.BREAKS, traffic.LASTS_H),
        Branch(water, waterworks.BREAKS, waterworks.LASTS_H),
        Branch(lights, streetlights.BREAKS, streetlights.LASTS_H),
    )


def edges_of(city: City) -> tuple[tuple[str, str], ...]:
    """Return which asset feeds or holds which, as pairs (parent, child)."""
    return tuple(edge for branch in branches_of(city) for edge in branch.department.edges)


def affected_assets(city: City, fault: Fault) -> tuple[str, ...]:
    """Return the names of the assets on which a fault shows, the broken one first."""
    found = (name for branch in branches_of(city) for name in branch.department.affected(fault))
    return tuple(dict.fromkeys(found))


def asset_kinds(branches: Iterable[Branch], kind: FaultKind) -> tuple[str, ...]:
    """Return the kinds of assets that a kind of fault can befall in any department; empty if in none."""
    return tuple(dict.fromkeys(name for branch in branches for name in branch.breaks.get(kind, ())))
