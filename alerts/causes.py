"""What it may be, in a few words: rules of thumb per kind of asset, from which signals are high or low."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Directions = Mapping[str, int]
"""By metric: 1 = above the band, -1 = below it, 0 = inside."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A likely cause and when it is likely."""

    cause: str
    holds: Callable[[Directions], bool]


def _any(directions: Directions, family: str, direction: int) -> bool:
    return any(metric.split("_")[0] == family and d == direction for metric, d in directions.items())


_RULES: dict[str, tuple[Rule, ...]] = {
    "dma": (
        Rule("a burst or a leak", lambda d: d.get("flow") == 1 and _any(d, "pressure", -1)),
        Rule("a leak, or unusual demand", lambda d: d.get("flow") == 1),
        Rule("a closed valve or a loss of supply", lambda d: d.get("flow") == -1),
        Rule("a loss of pressure: a leak nearby, a pump or a valve", lambda d: _any(d, "pressure", -1)),
        Rule("a pressure regulator that fails", lambda d: _any(d, "pressure", 1)),
    ),
    "tank": (
        Rule("more drawn than filled: a leak, or a pump that does not run", lambda d: d.get("level") == -1),
        Rule("a pump that does not stop, or an inlet valve that does not close", lambda d: d.get("level") == 1),
    ),
    "lamp": (
        Rule("a lamp that is out, or its supply", lambda d: d.get("active_power") == -1),
        Rule("a lamp that burns by day, or is not dimmed", lambda d: d.get("active_power") == 1),
    ),
    "feeder": (
        Rule("a feeder that has lost its supply", lambda d: d.get("voltage") == -1 and d.get("active_power") == -1),
        Rule("a feeder without supply, or a voltage that the grid does not hold", lambda d: d.get("voltage") == -1),
        Rule("lamps that are out on this feeder", lambda d: d.get("active_power") == -1),
        Rule("lamps that burn when they should not", lambda d: d.get("active_power") == 1),
        Rule("a voltage that the grid does not hold", lambda d: d.get("voltage") == 1),
    ),
    "vehicle": (
        Rule("a breakdown or a blocked road", lambda d: d.get("schedule_offset") == -1 and d.get("speed") == -1),
        Rule("a delay: congestion or an obstacle", lambda d: d.get("schedule_offset") == -1),
        Rule("a vehicle that runs ahead of its timetable", lambda d: d.get("schedule_offset") == 1),
        Rule("unusual crowding", lambda d: d.get("occupancy") == 1),
    ),
}


def likely_cause(asset_kind: str, directions: Directions) -> str | None:
    """Return the first cause whose rule holds; None when no rule does."""
    return next((rule.cause for rule in _RULES.get(asset_kind, ()) if rule.holds(directions)), None)
