"""Vehicles on the streets, from minute to minute: they run, queue at the signal, turn, and pile up when it is full.

A point queue with storage: what has reached the end of a segment leaves it as the signal lets it and as the next
segment has room, otherwise it waits, and a full segment holds up those before it. Nothing is lost: what enters a
segment leaves it or stands on it. Drivers avoid what they see to be full. How long a segment takes follows from flow
and queue.

Sources
-------
Bureau of Public Roads, *Traffic Assignment Manual* (1964): time = free time · (1 + 0.15 (flow / capacity)^4).
F. V. Webster, *Traffic Signal Settings*, Road Research Technical Paper 39 (1958): uniform delay at signals.
W. S. Vickrey, *Congestion theory and transport investment*, American Economic Review 59 (1969): the point queue.
*Highway Capacity Manual* (2010), chapter 10: rain takes 4 to 14 % of speed and capacity.
"""

from dataclasses import dataclass

import numpy as np

from simulators.noise import FloatArray
from simulators.traffic.hours import NODE_S
from simulators.traffic.streets import CYCLE_S, Streets

TICK_S = 60
"""Seconds of one step of the queues."""

LONGEST_S = 1_500.0
"""Travel time beyond which a probe gives up, or turns off."""

_TICKS = NODE_S // TICK_S
_WET_SLOWER, _POURS_MM_H = 0.10, 4.0
_AVOIDS_FULL = 6.0
_AVOIDS_CLOSED = 0.25
_WARM_TICKS = 20
_CLOSED = 0.3  # share of capacity below which drivers are sent another way


@dataclass(frozen=True, slots=True)
class TrafficState:
    """What happened on each segment in each step of a service day; shape (segments, steps), read-only.

    Attributes
    ----------
    entered, left
        Vehicles that came onto a segment, and that left it or ended their trip there, in the step.
    stored
        Vehicles on the segment at the step's end.
    run_s
        Seconds along the segment, with the wait in a queue, without the signal's ordinary red.
    """

    entered: FloatArray
    left: FloatArray
    stored: FloatArray
    run_s: FloatArray


def wetness(rain_mm_h: FloatArray) -> FloatArray:
    """Return what share of speed and capacity rain takes."""
    return _WET_SLOWER * np.minimum(rain_mm_h / _POURS_MM_H, 1.0) ** 0.5


def red_s(streets: Streets, ratio: FloatArray) -> FloatArray:
    """Return the mean wait at the signals, without that of a queue that lasts: Webster's first term.

    Parameters
    ----------
    ratio
        Shape (segments, n): flow over capacity.

    Returns
    -------
    Shape (segments, n), s.
    """
    green = streets.green[:, None]
    return (1.0 - green) ** 2 * CYCLE_S / (2.0 * (1.0 - green * np.minimum(ratio, 1.0)))


@dataclass(slots=True)
class _Now:
    """The vehicles at one moment: running, queued at the end, and waiting in side streets to come on."""

    running: FloatArray
    queue: FloatArray
    outside: FloatArray


def _turning(streets: Streets, now: _Now, open_share: FloatArray) -> FloatArray:
    """Return the turning shares of drivers who see what is full or closed ahead; shape (segments, 3)."""
    fullness = (now.running + now.queue) / streets.storage
    appeal = 1.0 / (1.0 + _AVOIDS_FULL * fullness**3)
    appeal[open_share < _CLOSED] *= _AVOIDS_CLOSED
    share = streets.turn_share * appeal[streets.turn_to]
    share /= share.sum(axis=1, keepdims=True)
    return share


def _tick(
    streets: Streets, now: _Now, share: FloatArray, passes: FloatArray, reaches: FloatArray, sources: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Move the vehicles for `TICK_S`, in place; return how many entered and left each segment."""
    reached = now.running * reaches
    ready = now.queue + reached
    sent = np.minimum(ready, passes)
    wanted = (sent * (1.0 - streets.ends_share))[:, None] * share
    targets = streets.turn_to.ravel()
    pushed = np.asarray(np.bincount(targets, wanted.ravel(), sent.size), dtype=np.float64)
    room = np.maximum(streets.storage - now.running - now.queue, 0.0)
    granted = np.minimum(1.0, room / np.maximum(pushed, 1e-12))
    moved = wanted * granted[streets.turn_to]
    into = pushed * granted
    left = sent * streets.ends_share + moved.sum(axis=1)
    waiting = now.outside + sources
    joins = np.minimum(waiting, np.maximum(room - into, 0.0))
    now.outside = waiting - joins
    now.running += into + joins - reached
    now.queue = ready - left
    entered: FloatArray = into + joins
    return entered, left


def _run_s(
    streets: Streets, entered: FloatArray, queue: FloatArray, capacity: FloatArray, slower: FloatArray
) -> FloatArray:
    """Return seconds along each segment: BPR's free run, and the wait behind the queue; shape (segments,)."""
    ratio = np.minimum(entered / np.maximum(capacity, 1e-9), 1.3)
    usable = np.maximum(capacity, 0.02 * streets.capacity_per_h * (NODE_S / 3_600))
    run = streets.free_s / (1.0 - slower) * (1.0 + 0.15 * ratio**4) + queue / usable * NODE_S
    return np.minimum(run, LONGEST_S)


def load(streets: Streets, sources: FloatArray, rain_mm_h: FloatArray, open_share: FloatArray) -> TrafficState:
    """Follow the vehicles of one service day, from streets without queues on.

    Parameters
    ----------
    sources
        Shape (segments, steps): vehicles an hour that set out on a segment.
    rain_mm_h
        Shape (steps,).
    open_share
        Shape (segments, steps) or (segments, 1): what faults leave of the capacity, 1 without.
    """
    steps = sources.shape[1]
    out = [np.empty((steps, sources.shape[0])) for _ in range(4)]
    now = _warm(streets, sources[:, 0])
    wet = wetness(rain_mm_h)
    opened = np.broadcast_to(open_share, sources.shape)
    for step in range(steps):
        passes = streets.capacity_per_h * (1.0 - 0.6 * wet[step]) * opened[:, step]
        reaches = TICK_S / (TICK_S + streets.free_s / (1.0 - wet[step]))
        share = _turning(streets, now, opened[:, step])
        entered, left, queue = _ticks(streets, now, share, passes, reaches, sources[:, step])
        run = _run_s(streets, entered, queue, passes * (NODE_S / 3_600), wet[step])
        for kept, value in zip(out, (entered, left, now.running + now.queue, run), strict=True):
            kept[step] = value
    return _frozen(out)


def _ticks(
    streets: Streets, now: _Now, share: FloatArray, passes: FloatArray, reaches: FloatArray, sources: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Move the vehicles for `NODE_S`, in place; return how many entered and left, and the mean queue."""
    entered, left, queue = (np.zeros_like(passes) for _ in range(3))
    for _ in range(_TICKS):
        came, went = _tick(streets, now, share, passes * (TICK_S / 3_600), reaches, sources * (TICK_S / 3_600))
        entered += came
        left += went
        queue += now.queue / _TICKS
    return entered, left, queue


def _warm(streets: Streets, sources: FloatArray) -> _Now:
    """Return the few vehicles that are on the way at a service day's begin, none of them in a queue that lasts."""
    now = _Now(*(np.zeros_like(sources) for _ in range(3)))
    reaches = TICK_S / (TICK_S + streets.free_s)
    per_tick = TICK_S / 3_600
    for _ in range(_WARM_TICKS):
        _tick(streets, now, streets.turn_share, streets.capacity_per_h * per_tick, reaches, sources * per_tick)
    return now


def _frozen(columns: list[FloatArray]) -> TrafficState:
    turned = [np.ascontiguousarray(column.T) for column in columns]
    for column in turned:
        column.flags.writeable = False
    return TrafficState(*turned)
