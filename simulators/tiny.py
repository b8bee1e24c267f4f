"""The departments of the city `tiny`: thirty buses, and what is fixed to the ground, at 300 s."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from core.asset import Asset, Series
from simulators.buses import five_minutes
from simulators.city import City, edges_of_tiny
from simulators.fault import Fault, FaultKind
from simulators.ground import first_ground_series, ground_values
from simulators.noise import STEP_S, STEPS, FloatArray

BUS_BREAKS: Mapping[FaultKind, tuple[str, ...]] = MappingProxyType(
    {FaultKind.BUS_BREAKDOWN: ("vehicle",), FaultKind.GPS_FREEZE: ("vehicle",)}
)
GROUND_BREAKS: Mapping[FaultKind, tuple[str, ...]] = MappingProxyType(
    {
        FaultKind.BURST: ("dma",),
        FaultKind.BACKGROUND_LEAK: ("dma",),
        FaultKind.PRESSURE_STUCK: ("dma",),
        FaultKind.LAMP_OUT: ("lamp",),
        FaultKind.DAY_BURNER: ("lamp",),
        FaultKind.FEEDER_LOSS: ("feeder",),
    }
)
"""Kinds of faults, and the kinds of assets that each can befall."""

LASTS_H: Mapping[FaultKind, tuple[float, float]] = MappingProxyType(
    {
        FaultKind.BURST: (3.0, 5.0),
        FaultKind.BACKGROUND_LEAK: (30.0, 40.0),
        FaultKind.PRESSURE_STUCK: (6.0, 10.0),
        FaultKind.LAMP_OUT: (24.0, 30.0),
        FaultKind.DAY_BURNER: (24.0, 30.0),
        FaultKind.FEEDER_LOSS: (1.5, 3.0),
        FaultKind.BUS_BREAKDOWN: (0.75, 1.5),
        FaultKind.GPS_FREEZE: (0.5, 1.0),
    }
)
"""Ordinary durations in hours, shortest and longest."""

_SHOWS_ON_PARENT = frozenset({FaultKind.LAMP_OUT, FaultKind.DAY_BURNER, FaultKind.BURST, FaultKind.BACKGROUND_LEAK})


@dataclass(frozen=True, slots=True)
class Buses:
    """The buses as an archive holds them; a `simulators.department.Department`.

    At time t the mean of a bus's samples of the 300 s up to t for speed, acceleration, schedule offset and
    occupancy, and the last of them for position, heading, odometer and doors.
    """

    city: City

    @property
    def assets(self) -> tuple[Asset, ...]:
        """All vehicles."""
        return tuple(asset for asset in self.city.assets if asset.kind == "vehicle")

    @property
    def series(self) -> tuple[Series, ...]:
        """Nine metrics of each vehicle."""
        return self.city.series[: first_ground_series(self.city)]

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """None: lines are no assets here."""
        return ()

    @property
    def step_s(self) -> int:
        """Seconds between two samples of the archive."""
        return STEP_S

    def values(self, day: int, faults: tuple[Fault, ...] = ()) -> FloatArray:
        """Return the archive of a UTC day: shape (270, 288)."""
        today = five_minutes(self.city, day, faults)
        # What ends at midnight is yesterday's last step.
        night = np.full((*today.shape[:2], 1), np.nan)
        before = five_minutes(self.city, day - 1, faults)[..., -1:] if day > 0 else night
        by_bus = np.concatenate([before, today[..., :-1]], axis=2).transpose(1, 0, 2)
        return by_bus.reshape(-1, STEPS)

    def affected(self, fault: Fault) -> tuple[str, ...]:
        """Return the vehicle itself."""
        return (fault.asset,) if fault.kind in BUS_BREAKS else ()


@dataclass(frozen=True, slots=True)
class Ground:
    """Water and lighting; a `simulators.department.Department`."""

    city: City

    @property
    def assets(self) -> tuple[Asset, ...]:
        """DMA, tank, feeders and lamps."""
        return tuple(asset for asset in self.city.assets if asset.kind != "vehicle")

    @property
    def series(self) -> tuple[Series, ...]:
        """What they measure, asset by asset."""
        return self.city.series[first_ground_series(self.city) :]

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Tank and DMA, feeders and lamps."""
        return edges_of_tiny(self.city)

    @property
    def step_s(self) -> int:
        """Seconds between two samples."""
        return STEP_S

    def values(self, day: int, faults: tuple[Fault, ...] = ()) -> FloatArray:
        """Return what is measured on a UTC day: shape (54, 288)."""
        return ground_values(self.city, day, faults)

    def affected(self, fault: Fault) -> tuple[str, ...]:
        """Return the broken asset, and what it hangs on or what hangs on it."""
        if fault.kind not in GROUND_BREAKS:
            return ()
        if fault.kind in _SHOWS_ON_PARENT:
            return (fault.asset, *(parent for parent, child in self.edges if child == fault.asset))
        if fault.kind is FaultKind.FEEDER_LOSS:
            return (fault.asset, *(child for parent, child in self.edges if parent == fault.asset))
        return (fault.asset,)
