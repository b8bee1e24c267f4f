"""The voltage that feeders deliver: a daily rhythm, slow noise shared by all behind a feeder, and quick noise."""

from functools import lru_cache

import numpy as np

from simulators.noise import FloatArray
from simulators.rhythm import hump
from simulators.streetlights.plant import Plant

_MEAN_V = 230.0
_MORNING_DIP_V, _EVENING_DIP_V = 0.4, 1.0
_SLOW_V, _SLOW_S = 0.4, 5_400.0
_QUICK_V = 0.35


def slow_noise(plant: Plant, purpose: str, day: int, count: int, time_constant_s: float) -> FloatArray:
    """Return AR(1) noise of unit variance, without a seam at midnight.

    The recursion starts a day earlier, so that what the two sides of a midnight disagree on has decayed.

    Parameters
    ----------
    count
        How many independent signals.
    time_constant_s
        After which the correlation has fallen to 1/e; well below a day.

    Returns
    -------
    Shape (count, steps).
    """
    persistence = float(np.exp(-plant.step_s / time_constant_s))
    drawn = [plant.generator(purpose, each).standard_normal((plant.steps, count)) for each in (day - 1, day)]
    values = np.concatenate(drawn)
    values[1:] *= np.sqrt(1.0 - persistence**2)
    for step in range(1, len(values)):
        values[step] += persistence * values[step - 1]
    return np.ascontiguousarray(values[plant.steps :].T)


@lru_cache(maxsize=8)
def feeder_voltage(plant: Plant, day: int) -> FloatArray:
    """Return the voltage at each feeder on a UTC day, none being lost; shape (feeders, steps), V, read-only."""
    clock = plant.calendar.wall_clock(plant.stamps_us(day).view("datetime64[us]"))
    hour = np.asarray(clock.hour + clock.minute / 60, dtype=np.float64)
    rhythm = _MEAN_V - _MORNING_DIP_V * hump(hour, 8.0, 2.0) - _EVENING_DIP_V * hump(hour, 19.5, 3.0)
    slow = slow_noise(plant, "mains", day, plant.scale.feeders, _SLOW_S)
    quick = plant.generator("mains-quick", day).standard_normal(slow.shape)
    values: FloatArray = rhythm + plant.equipment.feeder_offset_v[:, None] + _SLOW_V * slow + _QUICK_V * quick
    values.flags.writeable = False
    return values
