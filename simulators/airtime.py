"""How long each message is on its way from the device to the broker."""

from functools import lru_cache

import numpy as np

from simulators.noise import STEPS, day_generator
from simulators.timetable import IntArray

LONGEST_DELAY_US = 6_000_000

_BUS_DELAY_US = (50_000, 1_500_000)
_GROUND_DELAY_US = (200_000, LONGEST_DELAY_US)


def _delays_us(seed: int, purpose: str, day: int, shape: tuple[int, ...], span_us: tuple[int, int]) -> IntArray:
    drawn: IntArray = day_generator(seed, purpose, day).integers(*span_us, shape, dtype=np.int64)
    drawn.flags.writeable = False
    return drawn


@lru_cache(maxsize=4)
def position_delays_us(seed: int, day: int, buses: int, samples: int) -> IntArray:
    """Return the delay of each bus's position of a UTC day: shape (buses, samples), microseconds."""
    return _delays_us(seed, "air of positions", day, (buses, samples), _BUS_DELAY_US)


@lru_cache(maxsize=4)
def call_delays_us(seed: int, day: int, calls: int) -> IntArray:
    """Return the delay of each arrival and departure of a UTC day: shape (calls,), microseconds."""
    return _delays_us(seed, "air of calls", day, (calls,), _BUS_DELAY_US)


def report_delays_us(seed: int, department: int, day: int, step: int, devices: int) -> IntArray:
    """Return the delay of each device's report of one step of a UTC day: shape (devices,), microseconds."""
    return _delays_us(seed, f"air of reports/{department}/{step}", day, (devices,), _GROUND_DELAY_US)


@lru_cache(maxsize=4)
def ground_delays_us(seed: int, day: int, devices: int) -> IntArray:
    """Return the delay of each report of a device on the ground: shape (devices, 288), microseconds."""
    return _delays_us(seed, "air of the ground", day, (devices, STEPS), _GROUND_DELAY_US)
