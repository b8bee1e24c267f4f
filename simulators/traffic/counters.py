"""What loop counters count and what probes measure on road segments, and what faults of counters make of it.

A sample carries its stamp and tells of the step that ends there.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.fault import Fault, FaultKind, active
from simulators.noise import FloatArray, day_generator
from simulators.rhythm import DAY_US
from simulators.traffic.breaks import COUNTING_SPREAD, STREET_FAULTS, state_of
from simulators.traffic.hours import NODE_S, NODE_US, service_days
from simulators.traffic.loading import red_s
from simulators.traffic.town import COUNTER_METRICS, Town

FLOW, OCCUPANCY, SPEED = range(len(COUNTER_METRICS))

CLOCK_OFF_S = 3_600
"""Seconds by which a wrong clock is off: it stamps with the hour after."""

COUNTER_FAULTS = frozenset({FaultKind.COUNTER_DEAD, FaultKind.COUNTER_DOUBLE, FaultKind.CLOCK_WRONG})

_EXACT_BELOW = 12.0
_LARGEST_EXACT = 40
_MISSING_SHARE = 0.007
_OUTAGE_SHARE, _OUTAGE_H = 0.02, (1.0, 5.0)
_LOOP_AND_CAR_M = 6.3
_SPEED_SD_KM_H = 7.0  # of single cars
_OCCUPANCY_SD = 0.08
_PROBE_SD, _PROBE_MISSING = 0.04, 0.006
_HOUR_S = 3_600.0


def counts_of(mean: FloatArray, spread: FloatArray, chance: FloatArray) -> FloatArray:
    """Return whole counts with a mean: Poisson's, with platoons on top.

    The same chance and nearly the same mean give nearly the same count.

    Parameters
    ----------
    mean
        Vehicles that passed.
    spread, chance
        Standard normal, of the shape of `mean`: for the platoons, and for Poisson's part.
    """
    mean = mean * np.exp(COUNTING_SPREAD * spread - COUNTING_SPREAD**2 / 2)
    # Cornish and Fisher's second term: Poisson's skewness.
    counts = np.maximum(np.rint(mean + np.sqrt(mean) * chance + (chance**2 - 1.0) / 6.0), 0.0)
    few = mean < _EXACT_BELOW
    counts[few] = _poisson(mean[few], chance[few])
    return counts


def _poisson(mean: FloatArray, chance: FloatArray) -> FloatArray:
    """Return Poisson's quantiles at standard normal chance, for means below `_EXACT_BELOW`."""
    from scipy.special import ndtr

    share, term = ndtr(chance), np.exp(-mean)
    below, counts = term.copy(), np.zeros_like(mean)
    for number in range(1, _LARGEST_EXACT + 1):
        counts += below < share
        term *= mean / number
        below += term
    return counts


def _per_step(town: Town, day: int, step_s: int, faults: tuple[Fault, ...]) -> tuple[FloatArray, FloatArray]:
    """Return vehicles that entered and mean seconds along, of each step that ends at a stamp; (segments, n) each."""
    start_us, end_us = day * DAY_US - step_s * 1_000_000, (day + 1) * DAY_US
    days = service_days(town.calendar, start_us, end_us)
    states = [state_of(town, one, faults) for one in days]
    edges = day * DAY_US + np.arange(-1, 86_400 // step_s, dtype=np.int64) * (step_s * 1_000_000)
    first = (int(edges[0]) - days[0].start_us) // NODE_US
    last = -(-(int(edges[-1]) - days[0].start_us) // NODE_US)
    at = (edges - days[0].start_us - first * NODE_US) / NODE_US
    entered, run_s = (
        np.concatenate([getattr(state, name) for state in states], axis=1)[:, first:last]
        for name in ("entered", "run_s")
    )
    if step_s == NODE_S:
        return entered, run_s
    return _between(entered, at), _between(run_s, at) * (NODE_S / step_s)


def _between(per_node: FloatArray, at: FloatArray) -> FloatArray:
    """Return the sum between edges, in nodes, of what is even within a node."""
    total = np.concatenate([np.zeros((per_node.shape[0], 1)), np.cumsum(per_node, axis=1)], axis=1)
    left = np.minimum(at.astype(np.int64), per_node.shape[1] - 1)
    reached = total[:, left] + per_node[:, left] * (at - left)
    found: FloatArray = np.diff(reached, axis=1)
    return found


@lru_cache(maxsize=2)
def _flow_and_time(town: Town, day: int, step_s: int, faults: tuple[Fault, ...]) -> tuple[FloatArray, FloatArray]:
    """Return vehicles that entered, and mean seconds along with signals and queues; shape (segments, n) each."""
    entered, run_s = _per_step(town, day, step_s, faults)
    ratio = entered * (_HOUR_S / step_s) / town.streets.capacity_per_h[:, None]
    return entered, run_s + red_s(town.streets, ratio)


def travel_times(town: Town, day: int, step_s: int, faults: tuple[Fault, ...]) -> FloatArray:
    """Return what probes measure: shape (segments, n), s; NaN without a probe."""
    entered, along_s = _flow_and_time(town, day, step_s, _streets_only(faults))
    rng = day_generator(town.seed, "probes", day)
    error = rng.standard_normal(along_s.shape, dtype=np.float32)
    silent = rng.random(along_s.shape, dtype=np.float32) < _PROBE_MISSING + 0.1 * np.exp(-entered / 2.0)
    values: FloatArray = np.round(along_s * np.exp(_PROBE_SD * error), 1)
    values[silent] = np.nan
    return values


def _streets_only(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if fault.kind in STREET_FAULTS)


def _missing(town: Town, day: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which samples of counters go missing: single ones, and now and then some hours."""
    rng = day_generator(town.seed, "counter silence", day)
    missing = rng.random(shape, dtype=np.float32) < _MISSING_SHARE
    out = np.flatnonzero(rng.random(shape[0]) < _OUTAGE_SHARE)
    per_hour = shape[1] / 24
    begins, lasts = rng.uniform(0.0, 24.0, out.size), rng.uniform(*_OUTAGE_H, out.size)
    for counter, begin, last in zip(out.tolist(), begins.tolist(), lasts.tolist(), strict=True):
        missing[counter, int(begin * per_hour) : int((begin + last) * per_hour)] = True
    return missing


def _sound(town: Town, day: int, step_s: int, faults: tuple[Fault, ...]) -> FloatArray:
    """Return what sound counters show; shape (counters, 3, n)."""
    flow_and_time = _flow_and_time(town, day, step_s, _streets_only(faults))
    entered, along_s = (part[town.counted] for part in flow_and_time)
    rng = day_generator(town.seed, "counters", day)
    spread, chance, pace, share = rng.standard_normal((4, *entered.shape), dtype=np.float32)
    counts = counts_of(entered, spread, chance)
    streets = town.streets
    true_km_h = (streets.length_m[town.counted, None] / along_s) * 3.6
    per_h = counts * (_HOUR_S / step_s)
    per_lane_km = per_h / true_km_h / streets.lanes[town.counted, None]
    occupancy = np.clip(per_lane_km * (_LOOP_AND_CAR_M / 10.0) * (1.0 + _OCCUPANCY_SD * share), 0.0, 100.0)
    speed = true_km_h + _SPEED_SD_KM_H * np.sqrt(true_km_h / 40.0) * pace / np.sqrt(np.maximum(counts, 1.0))
    speed = np.where(counts > 0.0, np.round(np.clip(speed, 1.0, 199.0), 1), np.nan)
    values = np.stack([np.rint(per_h), np.round(occupancy, 1), speed], axis=1)
    values.swapaxes(1, 2)[_missing(town, day, entered.shape)] = np.nan
    return values


def counter_values(town: Town, day: int, step_s: int, faults: tuple[Fault, ...]) -> FloatArray:
    """Return what all counters show on a UTC day; shape (counters, 3, n), in the order of `COUNTER_METRICS`.

    Parameters
    ----------
    faults
        Those of this department; others must have been taken out. A counter's several faults act in their order.
    """
    values = _sound(town, day, step_s, faults)
    stamps_us = day * DAY_US + np.arange(values.shape[2], dtype=np.int64) * (step_s * 1_000_000)
    for position, fault in enumerate(faults):
        if fault.kind in COUNTER_FAULTS and active(fault, stamps_us).any():
            counter = town.index[fault.asset][1]
            earlier = faults[:position]
            values[counter] = _with_fault(town, values[counter], stamps_us, (day, step_s), fault, earlier)
    return values


def _with_fault(
    town: Town,
    values: FloatArray,
    stamps_us: NDArray[np.int64],
    grid: tuple[int, int],
    fault: Fault,
    earlier: tuple[Fault, ...],
) -> FloatArray:
    """Return what one counter shows with one fault more; shape (3, n)."""
    now = active(fault, stamps_us)
    known = ~np.isnan(values[FLOW])
    shown = values.copy()
    if fault.kind is FaultKind.COUNTER_DOUBLE:
        shown[FLOW, now] *= 2.0
    elif fault.kind is FaultKind.COUNTER_DEAD:
        # A loop without current: no vehicle, and no speed to tell.
        shown[:, now & known] = np.array([0.0, 0.0, np.nan])[:, None]
    else:
        shift = CLOCK_OFF_S // grid[1]
        before = counter_values(town, grid[0] - 1, grid[1], earlier)[town.index[fault.asset][1]]
        shown[:, now] = np.concatenate([before, values], axis=1)[:, values.shape[1] - shift : -shift][:, now]
    return shown
