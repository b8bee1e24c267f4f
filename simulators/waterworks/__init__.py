"""A city's water department: EPANET networks, pumps, tanks, customers, and what can break in them."""

from simulators.waterworks.breaks import BREAKS, LASTS_H
from simulators.waterworks.department import Waterworks, build_waterworks
from simulators.waterworks.instruments import Truth
from simulators.waterworks.scale import MEDIUM, SMALL, TINY, HydraulicsMissingError, WaterScale, WaterworksError

__all__ = [
    "BREAKS",
    "LASTS_H",
    "MEDIUM",
    "SMALL",
    "TINY",
    "HydraulicsMissingError",
    "Truth",
    "WaterScale",
    "Waterworks",
    "WaterworksError",
    "build_waterworks",
]
