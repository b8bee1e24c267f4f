"""The simulated city's registry: which assets there are, where, and what they measure."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.asset import Asset, Domain, Place, Series
from core.calendar import Calendar
from core.errors import PermanentError
from core.metrics import traits_of
from simulators.network import FLEET
from simulators.noise import STEP_S

TINY = "tiny"
NAMES = (TINY, "small", "medium")
"""Cities that can be built: about 300, 5,000 and 100,000 series."""

BUS_METRICS: tuple[tuple[str, str], ...] = (
    ("latitude", "deg"),
    ("longitude", "deg"),
    ("speed", "m/s"),
    ("heading", "deg"),
    ("acceleration", "m/s2"),
    ("schedule_offset", "s"),
    ("odometer", "m"),
    ("door_open", "0/1"),
    ("occupancy", "%"),
)
"""What a bus reports, with UCUM codes, in the order in which the simulator keeps it."""

BUS_INTERVAL_S = 5

PRESSURE_SENSORS = 6
FEEDERS = 2
LAMPS = 40
LAMPS_PER_FEEDER = LAMPS // FEEDERS

_DMA = Asset("dma-1", Domain.WATER, "dma", Place(46.7668, 23.5571), "Grigorescu")
_TANK = Asset("tank-1", Domain.WATER, "tank", Place(46.7712, 23.5489), "Grigorescu")
_FEEDERS = (
    Asset("feeder-1", Domain.LIGHTING, "feeder", Place(46.7715, 23.6215), "Gheorgheni"),
    Asset("feeder-2", Domain.LIGHTING, "feeder", Place(46.7594, 23.5598), "Mănăștur"),
)
_LAMP_SPACING_DEG = 0.00042  # 32 m along the street


class CityError(PermanentError):
    """The simulated city cannot be built as asked."""


@dataclass(frozen=True, slots=True)
class City:
    """A simulated city.

    Attributes
    ----------
    name
        Which one.
    seed
        Of all its chance; not negative. The same seed gives the same city, day by day, in every process.
    calendar
        Wall clock and holidays; its people live by it.
    assets
        All things, department by department.
    series
        In a fixed order, department by department.
    """

    name: str
    seed: int
    calendar: Calendar
    assets: tuple[Asset, ...]
    series: tuple[Series, ...]


def build_city(name: str, *, seed: int = 2026, time_zone: str = "Europe/Bucharest", country: str = "RO") -> City:
    """Build a simulated city by name.

    Raises
    ------
    CityError
        If there is no city of that name, no such time zone, or the seed is negative.
    """
    if name not in NAMES:
        raise CityError(f"there is no simulated city '{name}'; there are: {', '.join(NAMES)}")
    if seed < 0:
        raise CityError("the seed of a simulated city is 0 or greater")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise CityError(f"'{time_zone}' is not an IANA time zone") from exc
    calendar = Calendar(time_zone, country)
    if name != TINY:
        from simulators.departments import built

        departments = [branch.department for branch in built(name, seed, calendar)]
        assets = tuple(asset for one in departments for asset in one.assets)
        return City(name, seed, calendar, assets, tuple(series for one in departments for series in one.series))
    buses = tuple(Asset(vehicle.name, Domain.TRANSPORT, "vehicle") for vehicle in FLEET)
    assets = (*buses, _DMA, _TANK, *_FEEDERS, *(_lamp(number) for number in range(LAMPS)))
    return City(name, seed, calendar, assets, tuple(one for asset in assets for one in _series_of(asset)))


def edges_of_tiny(city: City) -> tuple[tuple[str, str], ...]:
    """Return which asset feeds which in the city `tiny`, as pairs (parent, child): tank and DMA, feeders and lamps."""
    lamps = (asset.name for asset in city.assets if asset.kind == "lamp")
    fed = tuple((_FEEDERS[index // LAMPS_PER_FEEDER].name, lamp) for index, lamp in enumerate(lamps))
    return ((_TANK.name, _DMA.name), *fed)


def _lamp(index: int) -> Asset:
    feeder = _FEEDERS[index // LAMPS_PER_FEEDER]
    place = feeder.place or Place(0.0, 0.0)
    along = (index % LAMPS_PER_FEEDER + 1) * _LAMP_SPACING_DEG
    at = Place(place.latitude, round(place.longitude + along, 6))
    return Asset(f"lamp-{index + 1:02d}", Domain.LIGHTING, "lamp", at, feeder.zone)


def _metrics_of(kind: str) -> tuple[tuple[str, str], ...]:
    return {
        "vehicle": BUS_METRICS,
        "dma": (("flow", "m3/h"), *((f"pressure_{n}", "m[H2O]") for n in range(1, PRESSURE_SENSORS + 1))),
        "tank": (("level", "m"),),
        "feeder": (("active_power", "W"), ("voltage", "V"), ("current", "A")),
        "lamp": (("active_power", "W"),),
    }[kind]


def _series_of(asset: Asset) -> tuple[Series, ...]:
    interval_s = float(BUS_INTERVAL_S if asset.kind == "vehicle" else STEP_S)
    result = []
    for metric, unit in _metrics_of(asset.kind):
        traits = traits_of(metric, unit)
        result.append(Series(asset.name, metric, unit, interval_s, traits.lower_limit, traits.upper_limit))
    return tuple(result)
