"""What is known of a metric before the first reading: how it behaves, and its physical limits.

A band around a forecast makes sense for a gauge; it makes none for a position, an angle or a counter.
"""

from dataclasses import dataclass
from enum import StrEnum


class MetricKind(StrEnum):
    """How a metric behaves over time."""

    GAUGE = "gauge"
    """Goes up and down around an expectation: flow, pressure, power."""
    POSITION = "position"
    """Where a vehicle is: limits hold, no expectation does."""
    ANGLE = "angle"
    """Wraps around."""
    COUNTER = "counter"
    """Grows until it is reset."""
    STATE = "state"
    """One of few values."""


@dataclass(frozen=True, slots=True)
class MetricTraits:
    """What holds for every series of a metric.

    Attributes
    ----------
    kind
        How it behaves.
    lower_limit, upper_limit
        Physical limits in the metric's usual unit, inclusive; None where there is none.
    expected_interval_s
        Seconds between readings where the feed's standard says so; None otherwise.
    """

    kind: MetricKind = MetricKind.GAUGE
    lower_limit: float | None = None
    upper_limit: float | None = None
    expected_interval_s: float | None = None


_TRAITS: dict[tuple[str, str], MetricTraits] = {
    ("latitude", "deg"): MetricTraits(MetricKind.POSITION, -90, 90),
    ("longitude", "deg"): MetricTraits(MetricKind.POSITION, -180, 180),
    ("heading", "deg"): MetricTraits(MetricKind.ANGLE, 0, 360),
    ("speed", "m/s"): MetricTraits(MetricKind.GAUGE, 0, 60),
    ("acceleration", "m/s2"): MetricTraits(MetricKind.GAUGE, -20, 20),
    ("schedule_offset", "s"): MetricTraits(MetricKind.GAUGE, -86_400, 86_400),
    ("odometer", "m"): MetricTraits(MetricKind.COUNTER, 0, None),
    ("door_open", "0/1"): MetricTraits(MetricKind.STATE, 0, 1),
    ("occupancy", "%"): MetricTraits(MetricKind.GAUGE, 0, 200),
    ("passengers_on_board", ""): MetricTraits(MetricKind.COUNTER, 0, None),
    ("boardings", "count"): MetricTraits(MetricKind.COUNTER, 0, None),
    ("alightings", "count"): MetricTraits(MetricKind.COUNTER, 0, None),
    ("flow", "m3/h"): MetricTraits(MetricKind.GAUGE, -5_000, 5_000),
    ("level", "m"): MetricTraits(MetricKind.GAUGE, 0, 100),
    ("active_power", "W"): MetricTraits(MetricKind.GAUGE, 0, 1_000_000),
    ("voltage", "V"): MetricTraits(MetricKind.GAUGE, 0, 1_000),
    ("current", "A"): MetricTraits(MetricKind.GAUGE, 0, 10_000),
}

_FAMILIES: dict[tuple[str, str], MetricTraits] = {
    ("pressure", "m[H2O]"): MetricTraits(MetricKind.GAUGE, 0, 200),
    ("pressure", "bar"): MetricTraits(MetricKind.GAUGE, 0, 20),
    ("pressure", "kPa"): MetricTraits(MetricKind.GAUGE, 0, 2_000),
}


def traits_of(metric: str, unit: str) -> MetricTraits:
    """Return what is known of a metric in a unit.

    A numbered metric (`pressure_3`) has the traits of its family. An unknown one is a gauge without limits.
    """
    family, _, number = metric.rpartition("_")
    if number.isdigit() and (family, unit) in _FAMILIES:
        return _FAMILIES[family, unit]
    return _TRAITS.get((metric, unit)) or _FAMILIES.get((metric, unit)) or MetricTraits()
