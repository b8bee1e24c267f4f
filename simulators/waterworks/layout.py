"""Where the department's things are and what they are called; who takes how much water at which junction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.asset import Asset, Domain, Place
from core.metrics import traits_of
from simulators.noise import FloatArray, day_generator
from simulators.waterworks.scale import WaterScale
from simulators.waterworks.template import TEMPLATES, Template, farthest, template_of

CENTRE = Place(46.77, 23.59)
PIPES_NAMED = 4
"""Pipes of each DMA that are assets, and so can burst by name; the network has some 40 to 60."""

_ZONE_M = 1_300.0
_LATITUDE_M = 111_195.0  # of a degree
_MEAN_OF_TEMPLATE = (0.85, 1.1)
_LEAKAGE_SHARE = (0.09, 0.15)  # of the mean demand: background leakage of a network that is looked after
USES = ("home", "office", "works")
"""What customers do with water; `Dma.uses` has their numbers."""

_USE_SHARES = (0.86, 0.10, 0.04)
_UNEVEN = 3.0  # shape of the gamma law of how much customers take


@dataclass(frozen=True, slots=True, eq=False)
class Dma:
    """One district metered area and what belongs to it.

    Attributes
    ----------
    number
        From 0 on.
    seed
        The city's.
    template
        Its network.
    corner
        Where the grid's corner lies.
    zone
        Part of the city.
    leakage_m3_h
        What leaks away always, spread as the template's shares; part of the demand.
    sensors
        Shape (pressure sensors,): junctions that have one.
    far
        Junction beside which the second quality station samples.
    pipes
        Numbers of the pipes that are assets.
    base_m3_h
        Shape (customers,): mean flow of each.
    uses
        Shape (customers,): number of each one's use in `USES`.
    taken_at
        Shape (junctions, customers): which part of a customer's flow is taken at which junction; columns add up to 1.
    """

    number: int
    seed: int
    template: Template
    corner: Place
    zone: str
    leakage_m3_h: float
    sensors: NDArray[np.int64]
    far: int
    pipes: tuple[int, ...]
    base_m3_h: FloatArray
    uses: NDArray[np.int64]
    taken_at: FloatArray

    @property
    def code(self) -> str:
        """Three digits, from 001 on."""
        return f"{self.number + 1:03d}"

    @property
    def mean_m3_h(self) -> float:
        """What it takes on the whole, customers and leakage."""
        return float(self.base_m3_h.sum()) + self.leakage_m3_h

    def named(self, what: str, which: str = "") -> str:
        """Return the name of one of its assets, such as `pump-001-2`."""
        return f"{what}-{self.code}-{which}" if which else f"{what}-{self.code}"

    def purpose(self, what: str) -> str:
        """Return the word under which random numbers are drawn for it."""
        return f"waterworks/{self.number}/{what}"

    def place(self, east_m: float, north_m: float) -> Place:
        """Return the place so far from the corner of the DMA's grid."""
        return _moved(self.corner, east_m, north_m)

    def place_of(self, junction: int) -> Place:
        """Return the place of a junction."""
        return self.place(float(self.template.x_m[junction]), float(self.template.y_m[junction]))


def _moved(place: Place, east_m: float, north_m: float) -> Place:
    longitude_m = _LATITUDE_M * float(np.cos(np.radians(CENTRE.latitude)))
    return Place(round(place.latitude + north_m / _LATITUDE_M, 6), round(place.longitude + east_m / longitude_m, 6))


def lay_out(scale: WaterScale, seed: int) -> tuple[Dma, ...]:
    """Draw all DMAs of a city."""
    return tuple(_dma(scale, seed, number) for number in range(scale.dmas))


def _dma(scale: WaterScale, seed: int, number: int) -> Dma:
    rng = day_generator(seed, f"waterworks/{number}/layout", 0)
    template = template_of(seed, number % TEMPLATES)
    side = int(np.ceil(np.sqrt(scale.dmas)))
    row, column = divmod(number, side)
    corner = _moved(CENTRE, (column - side / 2) * _ZONE_M, (row - side / 2) * _ZONE_M)
    mean = template.mean_m3_h * rng.uniform(*_MEAN_OF_TEMPLATE)
    leakage = mean * rng.uniform(*_LEAKAGE_SHARE)
    base, taken_at = _customers(rng, template, mean - leakage, scale.customer_meters_per_dma)
    named = rng.permutation([at for at in range(len(template.pipes)) if at != template.sectioned])[:PIPES_NAMED]
    return Dma(
        number,
        seed,
        template,
        corner,
        f"zone-{row + 1:02d}-{column + 1:02d}",
        float(leakage),
        _spread(rng, template, scale.pressure_sensors_per_dma),
        farthest(template),
        tuple(sorted(int(at) for at in named)),
        base,
        _uses(rng, base),
        taken_at,
    )


def _spread(rng: np.random.Generator, template: Template, count: int) -> NDArray[np.int64]:
    """Choose junctions far from each other: each is the one farthest from those before it."""
    chosen = [int(rng.integers(template.junctions))]
    apart = np.full(template.junctions, np.inf)
    for _ in range(min(count, template.junctions) - 1):
        last = chosen[-1]
        apart = np.minimum(apart, np.hypot(template.x_m - template.x_m[last], template.y_m - template.y_m[last]))
        chosen.append(int(np.argmax(apart)))
    return np.array(sorted(chosen), dtype=np.int64)


def _customers(
    rng: np.random.Generator, template: Template, total_m3_h: float, count: int
) -> tuple[FloatArray, FloatArray]:
    """Return mean flows and junctions of the customers, such that each junction has its template's share."""
    junctions = template.junctions
    if count < junctions:  # each meter stands for a block that takes water at several junctions
        holder = np.arange(junctions) * count // junctions
        taken = np.zeros((junctions, count))
        taken[np.arange(junctions), holder] = template.shares
        base = taken.sum(axis=0)
        return base * total_m3_h, taken / base
    at = np.concatenate([np.arange(junctions), rng.integers(junctions, size=count - junctions)])
    weight = rng.gamma(_UNEVEN, 1.0, count)
    base = weight / np.bincount(at, weights=weight, minlength=junctions)[at] * template.shares[at] * total_m3_h
    taken = np.zeros((junctions, count))
    taken[at, np.arange(count)] = 1.0
    return base, taken


def _uses(rng: np.random.Generator, base_m3_h: FloatArray) -> NDArray[np.int64]:
    """Draw what each customer does; where there are few, all are blocks of homes."""
    count = len(base_m3_h)
    if count < len(USES) * 8:
        return np.zeros(count, dtype=np.int64)
    return rng.choice(len(USES), size=count, p=_USE_SHARES).astype(np.int64)


def assets_of(dma: Dma) -> tuple[Asset, ...]:
    """Return all things of a DMA."""
    template = dma.template
    entry = dma.place_of(template.entry)
    at_station, at_tank = dma.place(-420.0, 160.0), dma.place(-180.0, 60.0)
    found = [
        ("dma", "", dma.place(float(template.x_m.mean()), float(template.y_m.mean()))),
        ("tank", "", at_tank),
        ("pump_station", "", at_station),
        ("pump", "1", at_station),
        ("pump", "2", at_station),
        ("quality_station", "inlet", at_tank),
        ("quality_station", "far", dma.place_of(dma.far)),
        ("valve", "inlet", entry),
        ("valve", "section", dma.place_of(template.pipes[template.sectioned].end)),
        *(("pipe", str(1 + at), _middle(dma, pipe)) for at, pipe in enumerate(dma.pipes)),
        *(("pressure_sensor", str(1 + at), dma.place_of(int(node))) for at, node in enumerate(dma.sensors)),
        *(("customer_meter", f"{1 + at:04d}", place) for at, place in enumerate(_customer_places(dma))),
    ]
    return tuple(Asset(dma.named(kind, which), Domain.WATER, kind, place, dma.zone) for kind, which, place in found)


def _middle(dma: Dma, pipe: int) -> Place:
    ends = [dma.template.pipes[pipe].start, dma.template.pipes[pipe].end]
    return dma.place(float(dma.template.x_m[ends].mean()), float(dma.template.y_m[ends].mean()))


def _customer_places(dma: Dma) -> list[Place]:
    beside = day_generator(dma.seed, dma.purpose("places"), 0).uniform(-45.0, 45.0, (2, len(dma.base_m3_h)))
    east, north = dma.template.x_m @ dma.taken_at + beside[0], dma.template.y_m @ dma.taken_at + beside[1]
    return [dma.place(float(x), float(y)) for x, y in zip(east, north, strict=True)]


def metrics_of(dma: Dma) -> tuple[tuple[str, str, str], ...]:
    """Return asset, metric and unit of each series of a DMA, in the order of the rows."""
    pumps = [dma.named("pump", which) for which in ("1", "2")]
    stations = [dma.named("quality_station", which) for which in ("inlet", "far")]
    return (
        (dma.named("dma"), "flow", "m3/h"),
        *((dma.named("dma"), f"pressure_{1 + at}", "m[H2O]") for at in range(len(dma.sensors))),
        (dma.named("tank"), "level", "m"),
        *(
            (pump, *metric)
            for pump in pumps
            for metric in (("flow", "m3/h"), ("active_power", "W"), ("running", "0/1"))
        ),
        *((station, *metric) for station in stations for metric in (("chlorine", "mg/L"), ("turbidity", "[NTU]"))),
        *((dma.named("customer_meter", f"{1 + at:04d}"), "flow", "m3/h") for at in range(len(dma.base_m3_h))),
    )


def limits_of(metric: str, unit: str) -> tuple[float | None, float | None]:
    """Return the physical limits of a metric: those that the core knows, and those of water quality."""
    own = {"running": (0.0, 1.0), "chlorine": (0.0, 10.0), "turbidity": (0.0, 1_000.0)}
    traits = traits_of(metric, unit)
    return own.get(metric, (traits.lower_limit, traits.upper_limit))


def edges_of(dma: Dma) -> tuple[tuple[str, str], ...]:
    """Return which asset feeds or holds which: station, pumps, tank, DMA, and what the DMA holds."""
    station, tank, area = dma.named("pump_station"), dma.named("tank"), dma.named("dma")
    held = [asset.name for asset in assets_of(dma) if asset.kind in {"valve", "pipe", "pressure_sensor"}]
    meters = [dma.named("customer_meter", f"{1 + at:04d}") for at in range(len(dma.base_m3_h))]
    return (
        *((station, dma.named("pump", which)) for which in ("1", "2")),
        (station, tank),
        (tank, area),
        (tank, dma.named("quality_station", "inlet")),
        (area, dma.named("quality_station", "far")),
        *((area, name) for name in (*held, *meters)),
    )
