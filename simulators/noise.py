"""Seeded noise that any process can draw again for any day, without drawing the days before it."""

import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

STEP_S = 300
"""Seconds between two samples of everything that is fixed to the ground."""

STEPS = 86_400 // STEP_S
"""Samples of one UTC day."""

_CLIP = 4.0  # standard deviations; bounded innovations let the buses promise never to drive backwards


def day_generator(seed: int, purpose: str, day: int) -> np.random.Generator:
    """Return the random numbers of one purpose on one day.

    Parameters
    ----------
    seed
        The city's; not negative.
    purpose
        What the numbers are for; different words give independent streams.
    day
        Days since 1970-01-01 UTC, not negative; 0 also serves what does not depend on the day.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, zlib.crc32(purpose.encode()), day))))


def _innovations(seed: int, purpose: str, day: int, count: int) -> FloatArray:
    return np.clip(day_generator(seed, purpose, day).standard_normal((STEPS, count)), -_CLIP, _CLIP)


@lru_cache(maxsize=64)
def autoregressive(seed: int, purpose: str, day: int, count: int, persistence: float) -> FloatArray:
    """Return AR(1) noise of unit variance for one day, without a seam at midnight.

    The recursion starts a day earlier, so that what the two sides of a midnight disagree on has decayed.

    Parameters
    ----------
    count
        How many independent signals.
    persistence
        Correlation of two neighbours, 300 s apart; below 0.97, or the seam shows.

    Returns
    -------
    Shape (count, 289), read-only: 00:00 to 24:00 UTC, both included.
    """
    drawn = np.concatenate([_innovations(seed, purpose, max(day + shift, 0), count) for shift in (-1, 0, 1)])
    gain = float(np.sqrt(1.0 - persistence**2))
    values = np.empty((2 * STEPS + 1, count))
    values[0] = drawn[0]
    for step in range(1, 2 * STEPS + 1):
        values[step] = persistence * values[step - 1] + gain * drawn[step]
    result = np.ascontiguousarray(values[STEPS:].T)
    result.flags.writeable = False
    return result
