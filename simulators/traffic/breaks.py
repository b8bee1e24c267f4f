"""What faults do to streets and lines, and how far it shows.

A blocked road or a failed signal changes the whole network a little. What stays below what instruments can tell is
left out: outside the assets that `reach` names, the city is exactly the one without the fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from simulators.fault import Fault, FaultKind, span_us
from simulators.noise import FloatArray
from simulators.traffic.hours import NODE_US, ServiceDay, service_days
from simulators.traffic.loading import TrafficState
from simulators.traffic.runs import Obstacles, no_obstacles
from simulators.traffic.town import Town, load_day, usual_state

BREAKS: Mapping[FaultKind, tuple[str, ...]] = MappingProxyType(
    {
        FaultKind.ROAD_BLOCKED: ("road_segment",),
        FaultKind.SIGNAL_FAILURE: ("junction",),
        FaultKind.DETOUR: ("line",),
        FaultKind.BUS_BREAKDOWN: ("vehicle",),
        FaultKind.GPS_FREEZE: ("vehicle",),
        FaultKind.GPS_JUMP: ("vehicle",),
        FaultKind.FEED_LATE: ("vehicle",),
        FaultKind.PRACTICE_RUN: ("vehicle",),
        FaultKind.COUNTER_DEAD: ("counter",),
        FaultKind.COUNTER_DOUBLE: ("counter",),
        FaultKind.CLOCK_WRONG: ("counter",),
    }
)
"""Kinds of faults that this department knows, and the kinds of assets that each befalls."""

LASTS_H: Mapping[FaultKind, tuple[float, float]] = MappingProxyType(
    {
        FaultKind.ROAD_BLOCKED: (1.0, 3.0),
        FaultKind.SIGNAL_FAILURE: (1.0, 4.0),
        FaultKind.DETOUR: (4.0, 10.0),
        FaultKind.BUS_BREAKDOWN: (0.75, 1.5),
        FaultKind.GPS_FREEZE: (0.5, 2.0),
        FaultKind.GPS_JUMP: (0.5, 2.0),
        FaultKind.FEED_LATE: (1.0, 6.0),
        FaultKind.PRACTICE_RUN: (0.75, 2.0),
        FaultKind.COUNTER_DEAD: (6.0, 48.0),
        FaultKind.COUNTER_DOUBLE: (12.0, 72.0),
        FaultKind.CLOCK_WRONG: (24.0, 96.0),
    }
)
"""How long each usually lasts: shortest and longest, hours."""

COUNTING_SPREAD = 0.12
"""Spread of a counted flow beyond Poisson's, over its mean: platoons that just make a step, or just miss it."""

STREET_FAULTS = frozenset({FaultKind.ROAD_BLOCKED, FaultKind.SIGNAL_FAILURE})
_LINE_FAULTS = frozenset({FaultKind.DETOUR, FaultKind.BUS_BREAKDOWN})

_BLOCKED_LEAVES, _DARK_LEAVES = 0.04, 0.5
_JUDGED_DAYS = 3
_NOTICED_SD, _NOTICED_SHARE, _NOTICED_S = 1.0, 0.08, 3.0
_NOTICED_RIDE_S = 25.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a fault, or several, shows.

    Attributes
    ----------
    segments, lines
        Which of them; boolean, read-only.
    """

    segments: NDArray[np.bool_]
    lines: NDArray[np.bool_]


def ours(town: Town, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Return the faults that befall something of this department, in their order."""
    return tuple(fault for fault in faults if town.index.get(fault.asset, ("",))[0] in BREAKS.get(fault.kind, ()))


def within(faults: tuple[Fault, ...], start_us: int, end_us: int) -> tuple[Fault, ...]:
    """Return the faults that hold at some time of a span."""
    spans = ((fault, *span_us(fault)) for fault in faults)
    return tuple(fault for fault, begin_us, stop_us in spans if begin_us < end_us and stop_us > start_us)


def _open_share(town: Town, day: ServiceDay, faults: tuple[Fault, ...]) -> FloatArray:
    """Return what faults leave of the capacity; shape (segments, steps). They act from the next whole step on."""
    begins_us = day.start_us + np.arange(day.steps, dtype=np.int64) * NODE_US
    share = np.ones((town.streets.begin.size, day.steps))
    for fault in faults:
        start_us, end_us = span_us(fault)
        now = (begins_us >= start_us) & (begins_us < end_us)
        share[np.ix_(_broken_segments(town, fault), now)] *= (
            _BLOCKED_LEAVES if fault.kind is FaultKind.ROAD_BLOCKED else _DARK_LEAVES
        )
    return share


def _broken_segments(town: Town, fault: Fault) -> NDArray[np.bool_]:
    number = town.index[fault.asset][1]
    of = np.arange(town.streets.end.size) if fault.kind is FaultKind.ROAD_BLOCKED else town.streets.end
    return np.equal(of, number)


@lru_cache(maxsize=3)
def _disturbed(town: Town, day: ServiceDay, faults: tuple[Fault, ...]) -> TrafficState:
    return load_day(town, day, _open_share(town, day, faults))


@lru_cache(maxsize=256)
def _segments_of(town: Town, fault: Fault) -> NDArray[np.bool_]:
    """Return the segments on which an instrument could tell that a street fault is there."""
    found = _broken_segments(town, fault)
    for day in service_days(town.calendar, *span_us(fault))[:_JUDGED_DAYS]:
        usual, other = usual_state(town, day), _disturbed(town, day, (fault,))
        noise = np.sqrt(usual.entered + (COUNTING_SPREAD * usual.entered) ** 2)
        counts = np.abs(other.entered - usual.entered) > _NOTICED_SD * noise + 0.5
        times = np.abs(other.run_s - usual.run_s) > np.maximum(_NOTICED_SHARE * usual.run_s, _NOTICED_S)
        found = found | (counts | times).any(axis=1)
    found.flags.writeable = False
    return found


def _masked(town: Town, day: ServiceDay, faults: tuple[Fault, ...]) -> TrafficState:
    """Return the disturbed traffic where it shows, and the usual elsewhere."""
    usual, other = usual_state(town, day), _disturbed(town, day, faults)
    here = np.logical_or.reduce([_segments_of(town, fault) for fault in faults])[:, None]
    return TrafficState(
        *(np.where(here, getattr(other, name), getattr(usual, name)) for name in ("entered", "left", "stored", "run_s"))
    )


def state_of(town: Town, day: ServiceDay, faults: tuple[Fault, ...]) -> TrafficState:
    """Return the traffic of a service day; faults of other kinds and days change nothing."""
    found = within(tuple(fault for fault in faults if fault.kind in STREET_FAULTS), day.start_us, day.end_us)
    return _masked(town, day, found) if found else usual_state(town, day)


@lru_cache(maxsize=256)
def reach(town: Town, fault: Fault) -> Reach:
    """Return which segments and lines a fault of streets or lines changes; none for another."""
    lines = np.zeros(town.lines.count.size, dtype=np.bool_)
    segments = np.zeros(town.streets.begin.size, dtype=np.bool_)
    kind, number = town.index[fault.asset]
    if fault.kind in _LINE_FAULTS:
        lines[number if kind == "line" else number // town.lines.fleet] = True
    elif fault.kind in STREET_FAULTS:
        segments = _segments_of(town, fault)
        lines = _lines_on(town, fault)
    lines.flags.writeable = False
    return Reach(segments, lines)


def _lines_on(town: Town, fault: Fault) -> NDArray[np.bool_]:
    """Return the lines whose trips take noticeably longer, or shorter."""
    found = np.zeros(town.lines.count.size, dtype=np.bool_)
    used = (town.lines.link_m > 0.0)[..., None]
    for day in service_days(town.calendar, *span_us(fault))[:_JUDGED_DAYS]:
        more = _masked(town, day, (fault,)).run_s - usual_state(town, day).run_s
        change = np.where(used, more[town.lines.links], 0.0).sum(axis=2)
        found |= (np.abs(change) > _NOTICED_RIDE_S).any(axis=(1, 2))
    return found


def lines_hit(town: Town, day: ServiceDay, faults: tuple[Fault, ...]) -> NDArray[np.int64]:
    """Return the lines whose vehicles run otherwise on a service day because of faults; in order."""
    hit = [reach(town, fault).lines for fault in within(faults, day.start_us, day.end_us)]
    return np.flatnonzero(np.logical_or.reduce(hit)) if hit else np.zeros(0, dtype=np.int64)


def obstacles_of(town: Town, day: ServiceDay, faults: tuple[Fault, ...], which: NDArray[np.int64]) -> Obstacles:
    """Return what faults put in the way of some lines on a service day.

    Of several breakdowns of one vehicle on one service day, the first counts for its trips.
    """
    now = within(faults, day.start_us, day.end_us)
    detours = [fault for fault in now if fault.kind is FaultKind.DETOUR]
    found = no_obstacles(which.size, town.lines.fleet)
    for fault in sorted((one for one in now if one.kind is FaultKind.BUS_BREAKDOWN), key=span_us, reverse=True):
        line, rank = divmod(town.index[fault.asset][1], town.lines.fleet)
        row = int(np.searchsorted(which, line))
        found.broken_from[row, rank], found.broken_to[row, rank] = _seconds(day, fault)
    return _with_detours(town, day, detours, which, found)


def _seconds(day: ServiceDay, fault: Fault) -> tuple[float, float]:
    start_us, end_us = span_us(fault)
    return (start_us - day.start_us) / 1e6, (end_us - day.start_us) / 1e6


def _with_detours(
    town: Town, day: ServiceDay, detours: list[Fault], which: NDArray[np.int64], found: Obstacles
) -> Obstacles:
    shape = (which.size, len(detours))
    spans = np.full((2, *shape), np.inf)
    stops = np.zeros((2, *shape, 2), dtype=np.int64)
    for column, fault in enumerate(detours):
        line = town.index[fault.asset][1]
        row = int(np.searchsorted(which, line))
        spans[:, row, column] = _seconds(day, fault)
        links = int(town.lines.count[line])
        first = max(1, links // 3)
        last = max(first, (2 * links) // 3 - 1)
        stops[:, row, column, 0] = first, last
        # The other way the same places have the numbers from the other end.
        stops[:, row, column, 1] = links - last, links - first
    return Obstacles(found.broken_from, found.broken_to, spans[0], spans[1], stops[0], stops[1])
