"""What can break in a water department, how badly, and where it shows."""

import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from simulators.fault import Fault, FaultKind, active, span_us
from simulators.noise import FloatArray
from simulators.waterworks.epanet import MAIN_MM
from simulators.waterworks.layout import Dma

BREAKS: Mapping[FaultKind, tuple[str, ...]] = MappingProxyType(
    {
        FaultKind.BURST: ("dma", "pipe"),
        FaultKind.BACKGROUND_LEAK: ("dma", "pipe"),
        FaultKind.STUCK_VALVE: ("valve",),
        FaultKind.PUMP_LOSS: ("pump", "pump_station"),
        FaultKind.TANK_OVERFLOW: ("tank",),
        FaultKind.CONTAMINATION: ("tank", "dma"),
        FaultKind.METER_STOPPED: ("dma", "customer_meter"),
        FaultKind.METER_DRIFT: ("dma", "customer_meter"),
        FaultKind.METER_STUCK: ("dma", "customer_meter"),
        FaultKind.PRESSURE_STUCK: ("dma",),
        FaultKind.PRESSURE_OFFSET: ("dma",),
        FaultKind.CLOCK_WRONG: ("dma", "tank", "quality_station", "customer_meter"),
    }
)
"""Kinds of faults, and the kinds of assets that each can befall."""

LASTS_H: Mapping[FaultKind, tuple[float, float]] = MappingProxyType(
    {
        FaultKind.BURST: (3.0, 8.0),
        FaultKind.BACKGROUND_LEAK: (36.0, 96.0),
        FaultKind.STUCK_VALVE: (12.0, 48.0),
        FaultKind.PUMP_LOSS: (4.0, 12.0),
        FaultKind.TANK_OVERFLOW: (4.0, 8.0),
        FaultKind.CONTAMINATION: (3.0, 8.0),
        FaultKind.METER_STOPPED: (12.0, 48.0),
        FaultKind.METER_DRIFT: (96.0, 240.0),
        FaultKind.METER_STUCK: (12.0, 48.0),
        FaultKind.PRESSURE_STUCK: (6.0, 24.0),
        FaultKind.PRESSURE_OFFSET: (24.0, 72.0),
        FaultKind.CLOCK_WRONG: (24.0, 72.0),
    }
)
"""Ordinary durations in hours, shortest and longest."""

HYDRAULIC = frozenset(
    {
        FaultKind.BURST,
        FaultKind.BACKGROUND_LEAK,
        FaultKind.STUCK_VALVE,
        FaultKind.PUMP_LOSS,
        FaultKind.TANK_OVERFLOW,
    }
)
"""Those that change what flows where; the others change the water or the instruments only."""

BURST_SHARE = 0.45
"""What a burst of magnitude 1 would let out at the pressure of an ordinary hour, relative to the mean demand."""

LEAK_SHARE = 0.22
"""Likewise a background leak when it has grown."""

LEAK_GROWS_S = 86_400.0
"""Seconds in which a background leak grows, or its whole span if that is shorter."""

STUCK_INLET_LOSS_M = 5.0
"""What a stuck inlet valve takes from the head at mean demand; it grows with the square of the flow."""

STUCK_SECTION_LOSS = 2.0e5
"""Loss coefficient of a stuck section valve, without dimension: as good as shut."""


@dataclass(frozen=True, slots=True)
class Target:
    """The broken asset.

    Attributes
    ----------
    dma
        Number of its DMA.
    kind
        Of asset.
    which
        What tells it from its like in the DMA; empty where there is one.
    """

    dma: int
    kind: str
    which: str


def identity(fault: Fault) -> int:
    """Return a number that is the fault's own: what is chosen at random is chosen by it."""
    return zlib.crc32(f"{fault.kind}/{fault.asset}/{span_us(fault)[0]}".encode())


def order(fault: Fault) -> tuple[int, str, str, int, float]:
    """Return what faults are sorted by, so that the order in which they are named means nothing."""
    start_us, end_us = span_us(fault)
    return start_us, fault.kind.value, fault.asset, end_us, fault.magnitude


def fits(fault: Fault, target: Target | None) -> bool:
    """Return whether a fault is one of this department."""
    return target is not None and target.kind in BREAKS.get(fault.kind, ())


def broken_junction(dma: Dma, fault: Fault, target: Target) -> int:
    """Return the junction at which a burst or a leak lets water out: of a pipe its far end, else any."""
    if target.kind == "pipe":
        return dma.template.pipes[dma.pipes[int(target.which) - 1]].end
    return identity(fault) % dma.template.junctions


def broken_sensor(dma: Dma, fault: Fault) -> int:
    """Return which pressure sensor, from 0 on, is stuck or off."""
    return identity(fault) % len(dma.sensors)


def opening(dma: Dma, junction: int, share: float) -> float:
    """Return the emitter coefficient, in m3/h per square root of a metre, that lets out so much of the mean demand.

    At the pressure of half a tank less a metre of friction; at another pressure it lets out another flow.
    """
    template = dma.template
    usual_m = template.tank_m + 1.5 - float(template.elevation_m[junction])
    return share * dma.mean_m3_h / math.sqrt(usual_m)


def grown(fault: Fault, times_us: NDArray[np.int64]) -> FloatArray:
    """Return how far a background leak has grown at each time, 0 to 1."""
    start_us, end_us = span_us(fault)
    grows_us = min(LEAK_GROWS_S * 1e6, float(end_us - start_us))
    return np.where(active(fault, times_us), np.clip((times_us - start_us) / grows_us, 0.0, 1.0), 0.0)


def valve_loss(dma: Dma, valve: str) -> float:
    """Return the loss coefficient K of a stuck valve: it takes K v2 / 2 g from the head."""
    if valve == "section":
        return STUCK_SECTION_LOSS
    speed = dma.template.mean_m3_h / 3_600 / (math.pi / 4 * (MAIN_MM / 1e3) ** 2)
    return STUCK_INLET_LOSS_M * 2 * 9.80665 / speed**2


@dataclass(frozen=True, slots=True, eq=False)
class Strain:
    """What faults do to the hydraulics of a DMA on one day.

    Attributes
    ----------
    emitters
        By junction: emitter coefficient at each step, shape (steps,).
    losses
        By valve (`inlet_valve`, `section_valve`): loss coefficient at each step, shape (steps,).
    able
        Shape (2, steps): whether a pump can run.
    unswitched
        Shape (steps,): whether the level switch has failed.
    """

    emitters: dict[int, FloatArray]
    losses: dict[str, FloatArray]
    able: NDArray[np.bool_]
    unswitched: NDArray[np.bool_]


def strain_of(dma: Dma, faults: Iterable[tuple[Fault, Target]], times_us: NDArray[np.int64]) -> Strain:
    """Return what faults do to a DMA's hydraulics at each time."""
    steps = len(times_us)
    strain = Strain({}, {}, np.ones((2, steps), dtype=np.bool_), np.zeros(steps, dtype=np.bool_))
    for fault, target in faults:
        now = active(fault, times_us)
        if fault.kind in {FaultKind.BURST, FaultKind.BACKGROUND_LEAK}:
            burst = fault.kind is FaultKind.BURST
            junction = broken_junction(dma, fault, target)
            share = (BURST_SHARE if burst else LEAK_SHARE) * fault.magnitude
            size = opening(dma, junction, share) * (now if burst else grown(fault, times_us))
            strain.emitters[junction] = strain.emitters.get(junction, np.zeros(steps)) + size
        elif fault.kind is FaultKind.STUCK_VALVE:
            shut = np.where(now, valve_loss(dma, target.which), 0.0)
            name = f"{target.which}_valve"
            strain.losses[name] = np.maximum(strain.losses.get(name, np.zeros(steps)), shut)
        elif fault.kind is FaultKind.PUMP_LOSS:
            lost = (0, 1) if target.kind == "pump_station" else (int(target.which) - 1,)
            strain.able[list(lost)] &= ~now
        elif fault.kind is FaultKind.TANK_OVERFLOW:
            strain.unswitched[:] |= now
    return strain


def shows_on(dma: Dma, fault: Fault, target: Target) -> tuple[str, ...]:
    """Return the names of the assets on which a fault shows, the broken one first."""
    area, tank = dma.named("dma"), dma.named("tank")
    pumps = (dma.named("pump", "1"), dma.named("pump", "2"))
    meters = tuple(dma.named("customer_meter", f"{1 + at:04d}") for at in range(len(dma.base_m3_h)))
    also: tuple[str, ...] = ()
    if fault.kind in {FaultKind.BURST, FaultKind.BACKGROUND_LEAK, FaultKind.TANK_OVERFLOW}:
        also = (area, tank, *pumps)
    elif fault.kind is FaultKind.STUCK_VALVE:
        also = (area,)
    elif fault.kind is FaultKind.PUMP_LOSS:
        # One pump keeps up with its DMA; without both the tank runs empty, and the customers notice.
        also = (*pumps, tank, area, *(meters if target.kind == "pump_station" else ()))
    elif fault.kind is FaultKind.CONTAMINATION:
        inlet, far = dma.named("quality_station", "inlet"), dma.named("quality_station", "far")
        also = (inlet, far) if target.kind == "tank" else (far,)
    elif fault.kind in {FaultKind.PRESSURE_STUCK, FaultKind.PRESSURE_OFFSET}:
        also = (dma.named("pressure_sensor", str(1 + broken_sensor(dma, fault))),)
    return tuple(dict.fromkeys((fault.asset, *also)))
