"""Assets and series: the registry's words."""

from dataclasses import dataclass
from enum import StrEnum


class Domain(StrEnum):
    """The departments whose things we watch."""

    TRANSPORT = "transport"
    WATER = "water"
    LIGHTING = "lighting"


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the ground, WGS 84 (EPSG:4326), in decimal degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Asset:
    """A thing that can break.

    Attributes
    ----------
    name
        Unique in the city; the device's name in its feed unless the registry says otherwise.
    domain
        Which department's.
    kind
        `vehicle`, `dma`, `tank`, `lamp`, `feeder`, ….
    place
        Where it stands; None for what moves or is not known.
    zone
        Part of the city; empty when not known.
    """

    name: str
    domain: Domain
    kind: str
    place: Place | None = None
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one asset.

    Attributes
    ----------
    asset
        Name of the asset.
    metric
        What is measured.
    unit
        UCUM code; empty when nobody says it.
    expected_interval_s
        Seconds between two readings; None when not known.
    lower_limit, upper_limit
        Physical limits in `unit`, inclusive; None where there is none.
    """

    asset: str
    metric: str
    unit: str
    expected_interval_s: float | None = None
    lower_limit: float | None = None
    upper_limit: float | None = None
