"""Names, assets, series and edges of street lighting, and in which rows which series are."""

from dataclasses import dataclass
from functools import lru_cache

from core.asset import Asset, Domain, Place, Series
from core.metrics import traits_of
from simulators.noise import FloatArray
from simulators.streetlights.layout import PHASES, IntArray, Layout, layout_of
from simulators.streetlights.scale import Scale

_METRICS: tuple[tuple[str, str, str], ...] = (
    ("feeder", "active_power", "W"),
    ("feeder", "voltage", "V"),
    ("feeder", "current", "A"),
    ("cabinet", "active_power", "W"),
    ("cabinet", "voltage", "V"),
    ("cabinet", "current", "A"),
    ("cabinet", "power_factor", "1"),
    ("cabinet", "energy", "W.h"),
    ("lamp", "active_power", "W"),
    ("smart", "voltage", "V"),
    ("smart", "current", "A"),
    ("smart", "power_factor", "1"),
    ("smart", "dimming_level", "%"),
)
"""Whose, what, and in which UCUM unit; `smart` are those lamps that say more. Rows have this order."""

_LIMITS: dict[str, tuple[float | None, float | None]] = {
    "power_factor": (0.0, 1.0),
    "energy": (0.0, None),
    "dimming_level": (0.0, 100.0),
}

_WIDTHS = {"feeder": 2, "cabinet": 4, "lamp": 5}


def name_of(kind: str, number: int) -> str:
    """Return the name of the feeder, cabinet or lamp of some number (from 0)."""
    return f"{kind}-{number + 1:0{_WIDTHS[kind]}d}"


def _count(scale: Scale, kind: str) -> int:
    return {"feeder": scale.feeders, "cabinet": scale.cabinets, "lamp": scale.lamps, "smart": scale.smart_lamps}[kind]


def number_of(scale: Scale, name: str) -> tuple[str, int] | None:
    """Return kind and number (from 0) of what can break; None for a name that is none of these."""
    kind, _, digits = name.partition("-")
    if kind not in _WIDTHS or not digits.isdecimal():
        return None
    number = int(digits) - 1
    known = 0 <= number < _count(scale, kind) and name == name_of(kind, number)
    return (kind, number) if known else None


def rows(scale: Scale) -> dict[tuple[str, str], slice]:
    """Return the rows of each (kind, metric); kind `smart` are the smart lamps in ascending order."""
    found: dict[tuple[str, str], slice] = {}
    begin = 0
    for kind, metric, _ in _METRICS:
        end = begin + _count(scale, kind)
        found[kind, metric] = slice(begin, end)
        begin = end
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Registry:
    """What others know of street lighting.

    Attributes
    ----------
    assets, series, edges
        As a department says them.
    rows_of
        Rows of each asset that has any.
    """

    assets: tuple[Asset, ...]
    series: tuple[Series, ...]
    edges: tuple[tuple[str, str], ...]
    rows_of: dict[str, tuple[int, ...]]


def _place(place: FloatArray) -> Place:
    return Place(float(place[0]), float(place[1]))


def _assets(layout: Layout) -> tuple[Asset, ...]:
    def made(name: str, kind: str, place: FloatArray, feeder: int) -> Asset:
        return Asset(name, Domain.LIGHTING, kind, _place(place), layout.zone(feeder))

    feeder_of = layout.feeder_of_cabinet.tolist()
    found = [made(name_of("feeder", n), "feeder", place, n) for n, place in enumerate(layout.feeder_place)]
    for number, place in enumerate(layout.cabinet_place):
        name = name_of("cabinet", number)
        found.append(made(name, "cabinet", place, feeder_of[number]))
        found.extend(made(f"{name}-l{phase + 1}", "phase", place, feeder_of[number]) for phase in range(PHASES))
    found.extend(
        made(name_of("lamp", number), "lamp", place, feeder_of[cabinet])
        for number, (place, cabinet) in enumerate(zip(layout.lamp_place, layout.cabinet_of_lamp.tolist(), strict=True))
    )
    return tuple(found)


def _edges(layout: Layout) -> tuple[tuple[str, str], ...]:
    found = []
    for number, feeder in enumerate(layout.feeder_of_cabinet.tolist()):
        name = name_of("cabinet", number)
        found.append((name_of("feeder", feeder), name))
        found.extend((name, f"{name}-l{phase + 1}") for phase in range(PHASES))
    hangs = zip(layout.cabinet_of_lamp.tolist(), layout.phase_of_lamp.tolist(), strict=True)
    found.extend(
        (f"{name_of('cabinet', cabinet)}-l{phase + 1}", name_of("lamp", number))
        for number, (cabinet, phase) in enumerate(hangs)
    )
    return tuple(found)


def _series(asset: str, metric: str, unit: str, step_s: int) -> Series:
    traits = traits_of(metric, unit)
    lower, upper = _LIMITS.get(metric, (traits.lower_limit, traits.upper_limit))
    return Series(asset, metric, unit, float(step_s), lower, upper)


def _named(kind: str, count: int, smart: IntArray) -> list[str]:
    if kind == "smart":
        return [name_of("lamp", number) for number in smart.tolist()]
    return [name_of(kind, number) for number in range(count)]


@lru_cache(maxsize=4)
def registry_of(scale: Scale, seed: int, step_s: int) -> Registry:
    """Return the registry of a street lighting."""
    layout = layout_of(scale, seed)
    series = tuple(
        _series(name, metric, unit, step_s)
        for kind, metric, unit in _METRICS
        for name in _named(kind, _count(scale, kind), layout.smart)
    )
    rows_of: dict[str, list[int]] = {}
    for row, each in enumerate(series):
        rows_of.setdefault(each.asset, []).append(row)
    return Registry(
        assets=_assets(layout),
        series=series,
        edges=_edges(layout),
        rows_of={name: tuple(found) for name, found in rows_of.items()},
    )
