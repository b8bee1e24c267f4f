"""What can break in street lighting, where it shows, and which things a fault takes."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from simulators.fault import Fault, FaultKind, active, span_us
from simulators.streetlights.layout import PHASES, IntArray, Layout
from simulators.streetlights.plant import Plant
from simulators.streetlights.registry import number_of

BREAKS: Mapping[FaultKind, tuple[str, ...]] = MappingProxyType(
    {
        FaultKind.LAMP_OUT: ("lamp",),
        FaultKind.GROUP_OUT: ("cabinet",),
        FaultKind.FEEDER_LOSS: ("feeder",),
        FaultKind.DAY_BURNER: ("lamp", "cabinet"),
        FaultKind.NO_SWITCH_ON: ("cabinet",),
        FaultKind.FLICKER: ("lamp",),
        FaultKind.POWER_FACTOR: ("lamp", "cabinet"),
        FaultKind.CABLE_THEFT: ("lamp", "cabinet"),
        FaultKind.PHOTOCELL_DRIFT: ("cabinet",),
        FaultKind.METER_STUCK: ("lamp", "cabinet"),
        FaultKind.CLOCK_WRONG: ("lamp", "cabinet", "feeder"),
        FaultKind.MAINTENANCE_BURN: ("lamp", "cabinet"),
    }
)
"""Kinds that street lighting knows, and the kinds of asset that each befalls."""

LASTS_H: Mapping[FaultKind, tuple[float, float]] = MappingProxyType(
    {
        FaultKind.LAMP_OUT: (48.0, 240.0),
        FaultKind.GROUP_OUT: (20.0, 72.0),
        FaultKind.FEEDER_LOSS: (0.75, 5.0),
        FaultKind.DAY_BURNER: (24.0, 168.0),
        FaultKind.NO_SWITCH_ON: (12.0, 36.0),
        FaultKind.FLICKER: (24.0, 120.0),
        FaultKind.POWER_FACTOR: (72.0, 336.0),
        FaultKind.CABLE_THEFT: (24.0, 96.0),
        FaultKind.PHOTOCELL_DRIFT: (240.0, 720.0),
        FaultKind.METER_STUCK: (6.0, 72.0),
        FaultKind.CLOCK_WRONG: (24.0, 168.0),
        FaultKind.MAINTENANCE_BURN: (1.0, 3.0),
    }
)
"""How long each lasts until somebody has repaired it, from and to, in hours."""

INSTRUMENT_KINDS = frozenset({FaultKind.METER_STUCK, FaultKind.CLOCK_WRONG})
"""Faults of a meter; what it measures is as ever."""

BURN_KINDS = frozenset({FaultKind.DAY_BURNER, FaultKind.MAINTENANCE_BURN})


@dataclass(frozen=True, slots=True, eq=False)
class Break:
    """A fault of street lighting, placed in it.

    Attributes
    ----------
    kind, asset
        Of the fault.
    asset_kind
        `feeder`, `cabinet` or `lamp`.
    number
        Of the asset among those of its kind.
    lamps
        Numbers of the lamps that it changes, ascending.
    key
        A number that belongs to this fault alone: decides what the fault leaves open.
    start_us, end_us
        Microseconds since 1970-01-01 UTC.
    """

    kind: FaultKind
    asset: str
    asset_kind: str
    number: int
    lamps: IntArray
    key: int
    start_us: int
    end_us: int

    @property
    def is_of_cabinet(self) -> bool:
        """Whether a whole cabinet is broken."""
        return self.asset_kind == "cabinet"

    def during(self, stamps_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return at which of the stamps it holds."""
        return (stamps_us >= self.start_us) & (stamps_us < self.end_us)

    def chosen(self, lowest: float, highest: float) -> float:
        """Return a number between two others that belongs to this fault."""
        return lowest + (highest - lowest) * (self.key % 1009) / 1008


def _key(fault: Fault) -> int:
    return zlib.crc32(f"{fault.kind}/{fault.asset}/{span_us(fault)[0]}".encode())


def _cut_lamps(layout: Layout, asset_kind: str, number: int, key: int) -> IntArray:
    """Return the lamps behind a cut: behind the lamp (the last of a cable goes itself), or somewhere near a cabinet."""
    length = layout.scale.lamps_per_cable
    if asset_kind == "cabinet":
        cable = key % layout.scale.cables_per_cabinet
        first = number * layout.scale.lamps_per_cabinet + cable * length
        return layout.lamps_from(first + key // 7 % max(length // 2, 1))
    is_last = number % length == length - 1
    return layout.lamps_from(number if is_last else number + 1)


def _lamps(layout: Layout, kind: FaultKind, asset_kind: str, number: int, key: int) -> IntArray:
    """Return the lamps that a fault changes."""
    if kind in INSTRUMENT_KINDS or (kind is FaultKind.POWER_FACTOR and asset_kind == "cabinet"):
        return np.empty(0, dtype=np.int64)
    if kind is FaultKind.CABLE_THEFT:
        return _cut_lamps(layout, asset_kind, number, key)
    if asset_kind == "feeder":
        return layout.lamps_of_feeder(number)
    if asset_kind == "lamp":
        return np.array([number])
    lamps = layout.lamps_of_cabinet(number)
    if kind is FaultKind.GROUP_OUT:
        phases = min(PHASES, layout.scale.lamps_per_cable)
        lamps = np.compress(layout.phase_of_lamp[lamps] == key % phases, lamps)
    return lamps


def placed(plant: Plant, fault: Fault) -> Break | None:
    """Return a fault placed in street lighting; None for one that is none of its own."""
    found = number_of(plant.scale, fault.asset)
    if found is None or found[0] not in BREAKS.get(fault.kind, ()):
        return None
    key = _key(fault)
    lamps = _lamps(plant.layout, fault.kind, *found, key)
    return Break(fault.kind, fault.asset, *found, lamps, key, *span_us(fault))


def _order(fault: Fault) -> tuple[bool, datetime, str, str, datetime, float]:
    is_last = fault.kind is FaultKind.METER_STUCK
    return is_last, fault.start, fault.kind, fault.asset, fault.end, fault.magnitude


def holding(plant: Plant, day: int, faults: tuple[Fault, ...], *, of_meters: bool) -> tuple[Fault, ...]:
    """Return those faults that hold at some stamp of a UTC day: of meters, or of what they measure.

    Whatever the order they are given in, they have one: a meter sticks at what a wrong clock may have displaced, and
    of two faults that exclude each other the later one holds.
    """
    stamps = plant.stamps_us(day)
    found = {
        fault
        for fault in faults
        if fault.kind in BREAKS and (fault.kind in INSTRUMENT_KINDS) == of_meters and active(fault, stamps).any()
    }
    return tuple(sorted(found, key=_order))
