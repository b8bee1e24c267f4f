"""Dimming by the local hour, and what a dimmed lamp takes."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.calendar import Calendar
from simulators.noise import FloatArray
from simulators.rhythm import DAY_US

_MINUTE_US = 60_000_000
_MINUTE_S = 60

SCHEDULES: tuple[tuple[tuple[float, float, float], ...], ...] = (
    (),
    ((23.0, 5.0, 0.65),),
    ((22.5, 5.5, 0.75),),
    ((0.0, 4.5, 0.5),),
    ((21.0, 23.0, 0.8), (23.0, 5.0, 0.4), (5.0, 6.0, 0.8)),
    ((22.0, 0.0, 0.7), (0.0, 5.0, 0.3), (5.0, 6.5, 0.7)),
)
"""From and to which local hour a lamp burns at what share of its light; the last two are those of smart lamps."""

_IDLE_SHARE = 0.05  # a driver's own loss, which dimming does not save
_FACTOR_LOSS = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Dimming:
    """Dimming on one UTC day; all arrays have shape (schedules, steps) and are read-only.

    Attributes
    ----------
    level
        Light wanted, 0 to 1.
    power
        Power relative to full light.
    factor
        Power factor relative to that at full light.
    """

    level: FloatArray
    power: FloatArray
    factor: FloatArray


@lru_cache(maxsize=16)
def dimming(calendar: Calendar, day: int, step_s: int) -> Dimming:
    """Return how lamps are dimmed in each step of a UTC day; a step ends at its stamp."""
    before = step_s // _MINUTE_S
    minutes = np.arange(-before, DAY_US // _MINUTE_US - before, dtype=np.int64)
    clock = calendar.wall_clock((day * DAY_US + minutes * _MINUTE_US).view("datetime64[us]"))
    hour = np.asarray(clock.hour + clock.minute / 60, dtype=np.float64)
    level = np.ones((len(SCHEDULES), minutes.size))
    for row, spans in zip(level, SCHEDULES, strict=True):
        for begin, end, share in spans:
            row[(hour - begin) % 24 < (end - begin) % 24] = share
    level = level.reshape(len(SCHEDULES), -1, before).mean(axis=2)
    power = _IDLE_SHARE + (1.0 - _IDLE_SHARE) * level
    factor = 1.0 - _FACTOR_LOSS * (1.0 - level) ** 2
    for values in (level, power, factor):
        values.flags.writeable = False
    return Dimming(level, power, factor)
