"""Street lighting of a simulated city: feeders, cabinets, phases and lamps, and all that breaks in them.

Photocells switch cabinets by the sun (astral), clouds and rain; lamps are dimmed by the local hour; power is in balance
from lamps through cables, cabinets and feeders at every step; meters have gain, noise and resolution and lose messages.

Every sample is the mean of the step that ends at its stamp, voltage that of the stamp. A fault holds for whole samples:
those whose stamps it covers.

Left out: that a lamp or a cable that fails lifts the voltage of its neighbours by some hundredths of a volt; harmonics;
the neutral conductor; inrush. The lamp catalogue and the shares of schedules are invented, in the ranges in which road
lighting is built.
"""

from simulators.streetlights.balance import NodeDay, Truth
from simulators.streetlights.breaks import BREAKS, LASTS_H
from simulators.streetlights.department import Streetlights, build_streetlights
from simulators.streetlights.lamps import LampDay
from simulators.streetlights.plant import Plant
from simulators.streetlights.scale import MEDIUM, PRESETS, SMALL, TINY, Scale, StreetlightsError
from simulators.streetlights.sun import AstralMissingError

__all__ = [
    "BREAKS",
    "LASTS_H",
    "MEDIUM",
    "PRESETS",
    "SMALL",
    "TINY",
    "AstralMissingError",
    "LampDay",
    "NodeDay",
    "Plant",
    "Scale",
    "Streetlights",
    "StreetlightsError",
    "Truth",
    "build_streetlights",
]
