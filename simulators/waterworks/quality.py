"""Chlorine and turbidity: dosed at the tank, decaying on the way, and foreign water that travels with the flow.

Water at a station left the tank when the tank had let out one pipe volume less: in pipes whose flows all grow and
shrink with the demand, that holds without following each pipe. Chlorine decays by a first-order law, as EPANET's bulk
reaction does (*EPANET 2.2 User Manual*, section 3.4). Bursts and stuck valves do not change the travel times here.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from simulators.fault import Fault, span_us
from simulators.noise import FloatArray, day_generator
from simulators.rhythm import DAY_US
from simulators.waterworks.breaks import Target
from simulators.waterworks.demand import persistent
from simulators.waterworks.epanet import MAIN_MM
from simulators.waterworks.layout import Dma

STATIONS = 2
"""Of a DMA: at the tank's outlet, and beside the farthest junction."""

_CHLORINE_MG_L = (0.28, 0.50)
_DOSING_VARIES = 0.05
_DECAY_PER_H = (0.015, 0.035)  # bulk and wall together, in old and new pipes
_TURBIDITY_NTU = (0.04, 0.15)
_STIRRED = 0.12  # of the turbidity per square of the flow relative to its mean

_CHLORINE_EATEN = 0.75
_FOREIGN_NTU = 2.2
_MIXES_H, _CLEARS_H = 0.5, 1.2
_LINGERS_US = DAY_US
_OUTLET_M3 = 12.0


def foreign_share(fault: Fault, times_us: FloatArray) -> FloatArray:
    """Return how far foreign water has replaced good water where it enters, 0 to 1, at each time; it clears slowly."""
    start_us, end_us = span_us(fault)
    mixed = 1.0 - np.exp(-np.clip(times_us - start_us, 0.0, None) / (_MIXES_H * 3.6e9))
    at_end = 1.0 - np.exp(-(end_us - start_us) / (_MIXES_H * 3.6e9))
    clears = at_end * np.exp(-np.clip(times_us - end_us, 0.0, None) / (_CLEARS_H * 3.6e9))
    share = np.where(times_us < end_us, mixed, clears)
    return np.where((times_us >= start_us) & (times_us < end_us + _LINGERS_US), share, 0.0)


def left_at(totals_m3_h: FloatArray, stamps_us: NDArray[np.int64], step_s: int, volume_m3: float) -> FloatArray:
    """Return when the water that passes now left the tank, `volume_m3` of pipes ago.

    Parameters
    ----------
    totals_m3_h
        Shape (2 * steps,): what left the tank on the day before and on the day.
    stamps_us
        Shape (steps,): of the day.

    Returns
    -------
    Shape (steps,): microseconds since 1970-01-01 UTC; not before the begin of the day before.
    """
    let_out = np.concatenate([[0.0], np.cumsum(totals_m3_h) * step_s / 3_600])
    steps = len(stamps_us)
    edges_us = stamps_us[0] + (np.arange(2 * steps + 1) - steps) * (step_s * 1e6)
    found: FloatArray = np.interp(let_out[steps : 2 * steps] - volume_m3, let_out, edges_us)
    return found


def _usual(dma: Dma, day: int, steps: int) -> tuple[FloatArray, float, FloatArray]:
    """Return what leaves the tank: chlorine (steps,) in mg/L, its decay per hour, turbidity (stations, steps)."""
    fixed = day_generator(dma.seed, dma.purpose("quality"), 0)
    dose, decay = fixed.uniform(*_CHLORINE_MG_L), float(fixed.uniform(*_DECAY_PER_H))
    clear = fixed.uniform(*_TURBIDITY_NTU) * np.array([1.0, 1.0 + fixed.uniform(0.1, 0.5)])
    kept = float(np.exp(-24.0 / steps / 4.0))
    noise = persistent(dma.seed, dma.purpose("dosing"), day, (1 + STATIONS, steps), kept)
    chlorine = dose * (1.0 + _DOSING_VARIES * np.tanh(noise[0]))
    return chlorine, decay, clear[:, None] * np.exp(0.16 * noise[1:])


def quality(
    dma: Dma,
    day: int,
    stamps_us: NDArray[np.int64],
    totals: Callable[[int], FloatArray],
    travel_h: float,
    faults: tuple[tuple[Fault, Target], ...] = (),
) -> tuple[FloatArray, FloatArray]:
    """Return chlorine in mg/L and turbidity in [NTU] at both stations of a DMA.

    Parameters
    ----------
    stamps_us
        Shape (steps,): of the day.
    totals
        What leaves the tank on a day, in m3/h at each step.
    travel_h
        From the entry to the farthest junction at mean demand.
    faults
        Contaminations of this DMA.

    Returns
    -------
    Each of shape (2, steps): at the outlet, and at the farthest junction; never negative, never NaN.
    """
    steps = len(stamps_us)
    step_s = 86_400 // steps
    both = np.concatenate([totals(max(day - 1, 0)), totals(day)])
    pipes_m3 = dma.template.inlet_m * np.pi / 4 * (MAIN_MM / 1e3) ** 2 + travel_h * dma.template.mean_m3_h
    volumes = (_OUTLET_M3, pipes_m3)
    left = np.stack([left_at(both, stamps_us, step_s, volume) for volume in volumes])
    dosed, decay, turbidity = _usual(dma, day, steps)
    chlorine = dosed * np.exp(-decay * (stamps_us - left) / 3.6e9)
    turbidity = turbidity * (1.0 + _STIRRED * (both[steps:] / dma.template.mean_m3_h) ** 2)
    for fault, target in faults:
        if span_us(fault)[1] + 2 * _LINGERS_US < stamps_us[0]:
            continue  # nothing of it is on its way any more
        share = (
            foreign_share(fault, left) if target.kind == "tank" else _entered(fault, both, stamps_us, step_s, pipes_m3)
        )
        chlorine, turbidity = chlorine * (1.0 - _CHLORINE_EATEN * share), turbidity + _FOREIGN_NTU * share
    return chlorine, turbidity


def _entered(
    fault: Fault, totals_m3_h: FloatArray, stamps_us: NDArray[np.int64], step_s: int, pipes_m3: float
) -> FloatArray:
    """Return the foreign share at both stations of what enters halfway to the far one; shape (2, steps)."""
    share = foreign_share(fault, left_at(totals_m3_h, stamps_us, step_s, pipes_m3 / 2))
    return np.stack([np.zeros(len(share)), share])
