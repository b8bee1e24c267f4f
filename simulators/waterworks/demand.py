"""Who takes how much water when: humps of the day, days off, warm dry evenings, and chance."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from core.calendar import Calendar
from simulators.noise import FloatArray, day_generator
from simulators.rhythm import DAY_US, hump
from simulators.surroundings import Surroundings
from simulators.waterworks.layout import Dma

DAY_S = 86_400
_SATURDAY = 5

_COMMON_H, _COMMON_SHARE = 5.0, 0.045  # how long and how far a whole DMA takes more or less than its habit
_OWN_H = 0.7
_HOME_M3_H = 0.012  # mean of one household; a customer of many varies less
_HOME_VARIES = 1.1  # relative, of one household
_DAY_TO_DAY = 0.025

_GARDEN_CEL, _GARDEN_STEP_CEL = 19.0, 9.0
_GARDEN_SHARE = 0.22  # of a home's flow on the mean day, when it is 28 Cel and dry
_BARELY_WARM = 0.01
_DRIES_H = 10.0
_WET_MM = 1.5


@dataclass(frozen=True, slots=True)
class Clock:
    """One UTC day as its people see it.

    Attributes
    ----------
    hour
        Shape (steps,): local time of day, 0 to 24.
    day_off
        Shape (steps,): True on a local Saturday, Sunday or holiday.
    garden
        Shape (steps,): how much gardens want water, 0 to about 2; 0 when it rains or is cold.
    """

    hour: FloatArray
    day_off: NDArray[np.bool_]
    garden: FloatArray


def times_us(day: int, step_s: int) -> NDArray[np.int64]:
    """Return the stamps of a UTC day from 00:00 on, in microseconds since 1970-01-01 UTC."""
    return day * DAY_US + np.arange(DAY_S // step_s, dtype=np.int64) * (step_s * 1_000_000)


@lru_cache(maxsize=64)
def clock_of(calendar: Calendar, surroundings: Surroundings, day: int, step_s: int) -> Clock:
    """Return a UTC day's local clock, days off and thirst of gardens."""
    stamps = times_us(day, step_s)
    local = calendar.wall_clock(stamps.view("datetime64[us]"))
    hour = np.asarray(local.hour + local.minute / 60 + local.second / 3600, dtype=np.float64)
    warm = np.logaddexp(0.0, (surroundings.temperature(stamps) - _GARDEN_CEL) / _GARDEN_STEP_CEL * 4.0) / 4.0
    garden = warm * np.exp(-_wet_mm(surroundings, day, step_s) / _WET_MM)
    # A softplus never quite ends; what it leaves in winter is nobody's watering.
    return Clock(hour, calendar.weekday(local) >= _SATURDAY, np.where(warm > _BARELY_WARM, garden, 0.0))


def _wet_mm(surroundings: Surroundings, day: int, step_s: int) -> FloatArray:
    """Return the rain that still wets the ground at each step of a day: it dries with a time constant."""
    stamps = np.concatenate([times_us(max(day - 1, 0), step_s), times_us(day, step_s)])
    kept = float(np.exp(-step_s / 3_600 / _DRIES_H))
    wet: FloatArray = lfilter([step_s / 3_600], [1.0, -kept], surroundings.rain(stamps))
    return wet[DAY_S // step_s :]


def persistent(seed: int, purpose: str, day: int, shape: tuple[int, int], kept: float) -> FloatArray:
    """Return AR(1) noise of unit variance that knows no seam at midnight.

    Parameters
    ----------
    shape
        Signals and steps of a day.
    kept
        Correlation of neighbours; what it keeps of a whole day must be next to nothing.

    Returns
    -------
    Shape `shape`.
    """
    count, steps = shape
    # 1 % is left of what the recursion began with after so many steps of the day before.
    before = min(steps, int(np.ceil(np.log(0.01) / np.log(kept)))) if kept > 0 else 0
    drawn = [day_generator(seed, purpose, max(day + shift, 0)).standard_normal((count, steps)) for shift in (-1, 0)]
    both = np.concatenate([drawn[0][:, steps - before :], drawn[1]], axis=1)
    values: FloatArray = lfilter([np.sqrt(1.0 - kept**2)], [1.0, -kept], both, axis=1)
    return values[:, before:]


def _kept(step_s: int, hours: float) -> float:
    return float(np.exp(-step_s / 3_600 / hours))


@lru_cache(maxsize=1_024)
def _habits(dma: Dma) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return for each customer: hours by which it is late, share of garden, and relative noise; shape (customers,)."""
    rng = day_generator(dma.seed, dma.purpose("habits"), 0)
    homes = np.maximum(dma.base_m3_h / _HOME_M3_H, 1.0)
    late = rng.normal(0.0, 0.7, len(homes)) / np.sqrt(np.maximum(homes / 30.0, 1.0))
    garden = _GARDEN_SHARE * rng.gamma(2.0, 0.5, len(homes)) * (dma.uses == 0)
    return late, garden, np.minimum(_HOME_VARIES / np.sqrt(homes), 0.6)


def home_shape(hour: FloatArray, day_off: NDArray[np.bool_]) -> FloatArray:
    """Return how homes take water by the hour, mean about 1: two humps, the first later and wider on days off."""
    workday = 0.14 + 1.48 * hump(hour, 7.4, 1.8) + 1.02 * hump(hour, 13.4, 4.4) + 1.40 * hump(hour, 19.6, 2.8)
    free = 0.14 + 1.45 * hump(hour, 9.9, 2.5) + 0.98 * hump(hour, 14.5, 4.0) + 1.25 * hump(hour, 19.8, 2.8)
    return np.where(day_off, free, workday)


def office_shape(hour: FloatArray, day_off: NDArray[np.bool_]) -> FloatArray:
    """Return how offices, shops and schools take water by the hour, mean of a working day about 1."""
    return np.where(day_off, 0.35, 1.0) * (0.15 + 2.2 * hump(hour, 12.6, 4.4))


def works_shape(hour: FloatArray, day_off: NDArray[np.bool_]) -> FloatArray:
    """Return how works in two shifts take water by the hour, mean of a working day about 1."""
    return np.where(day_off, 0.4, 1.0) * (0.45 + 0.9 * hump(hour, 10.0, 3.6) + 0.75 * hump(hour, 18.0, 3.4))


Law = Callable[[FloatArray, NDArray[np.bool_]], FloatArray]

_SHAPES: tuple[Law, ...] = (home_shape, office_shape, works_shape)


def customer_flows(dma: Dma, clock: Clock, day: int, step_s: int) -> FloatArray:
    """Return what each customer takes on a UTC day.

    Returns
    -------
    Shape (customers, steps): m3/h, mean of the interval that begins at the stamp; never negative, never NaN.
    """
    count, steps = len(dma.base_m3_h), len(clock.hour)
    late, garden, varies = _habits(dma)
    shape = np.empty((count, steps))
    for use, law in enumerate(_SHAPES):
        mine = np.flatnonzero(dma.uses == use)
        shape[mine] = _by_hour(law, clock, late[mine])
    watering = hump(clock.hour, 20.3, 1.8) + 0.6 * hump(clock.hour, 6.6, 1.5)
    shape += garden[:, None] * (clock.garden * watering * 3.0)
    own = persistent(dma.seed, dma.purpose("own"), day, (count, steps), _kept(step_s, _OWN_H))
    # A log-normal law of mean 1: flows are never negative, and noise adds no water.
    noise = np.exp(varies[:, None] * own - varies[:, None] ** 2 / 2)
    flows: FloatArray = dma.base_m3_h[:, None] * shape * noise * common_factor(dma, day, steps, step_s)
    return flows


def _by_hour(law: Law, clock: Clock, late_h: FloatArray) -> FloatArray:
    """Return a law at each customer's own hour; read from a table of minutes, as thousands ask for it."""
    table_h = np.arange(24 * 60) / 60.0
    found = np.empty((len(late_h), len(clock.hour)))
    index = np.rint((clock.hour[None] - late_h[:, None]) * 60).astype(np.int64) % (24 * 60)
    for off in (False, True):
        now = clock.day_off == off
        if now.any():
            found[:, now] = law(table_h, np.full(24 * 60, off))[index[:, now]]
    return found


def common_factor(dma: Dma, day: int, steps: int, step_s: int) -> FloatArray:
    """Return by which factor a whole DMA takes more than its habit; shape (steps,), mean about 1, above 0.5."""
    fast = persistent(dma.seed, dma.purpose("common"), day, (1, steps), _kept(step_s, _COMMON_H))[0]
    slow = [
        float(np.tanh(day_generator(dma.seed, dma.purpose("level"), at).standard_normal())) for at in (day, day + 1)
    ]
    along = np.linspace(slow[0], slow[1], steps, endpoint=False)
    factor: FloatArray = np.maximum(1.0 + _COMMON_SHARE * fast + _DAY_TO_DAY * along, 0.5)
    return factor
