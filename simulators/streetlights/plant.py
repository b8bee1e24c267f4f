"""A street lighting of one city, as all parts of the simulation see it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.calendar import Calendar
from simulators.noise import day_generator
from simulators.rhythm import DAY_US
from simulators.streetlights.dimming import SCHEDULES
from simulators.streetlights.equipment import Equipment, equipment_of
from simulators.streetlights.layout import Layout, layout_of
from simulators.streetlights.scale import Scale, StreetlightsError
from simulators.surroundings import Surroundings

_HOUR_S = 3600
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Plant:
    """What street lighting is built from; two of the same are equal and behave the same.

    Attributes
    ----------
    scale
        How many things there are.
    seed
        Of its chance; not negative.
    calendar
        The city's wall clock: lamps are dimmed by it.
    surroundings
        The city's weather.
    step_s
        Seconds between two samples: whole minutes that divide an hour.

    Raises
    ------
    StreetlightsError
        If seed or step is none of these.
    """

    scale: Scale
    seed: int
    calendar: Calendar
    surroundings: Surroundings
    step_s: int

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise StreetlightsError("a seed is not negative")
        if self.step_s <= 0 or _HOUR_S % self.step_s or self.step_s % _MINUTE_S:
            raise StreetlightsError("the step is a whole number of minutes that divides an hour")

    @property
    def layout(self) -> Layout:
        """Its things and where they are."""
        return layout_of(self.scale, self.seed)

    @property
    def equipment(self) -> Equipment:
        """Their properties."""
        return equipment_of(self.scale, self.seed, len(SCHEDULES))

    @property
    def steps(self) -> int:
        """Samples of a day."""
        return DAY_US // (self.step_s * 1_000_000)

    def stamps_us(self, day: int) -> NDArray[np.int64]:
        """Return the stamps of a UTC day's samples, microseconds since 1970-01-01 UTC; shape (steps,)."""
        return day * DAY_US + np.arange(self.steps, dtype=np.int64) * (self.step_s * 1_000_000)

    def generator(self, purpose: str, day: int) -> np.random.Generator:
        """Return the random numbers of one purpose on one day; before 1970 every day has those of its first."""
        return day_generator(self.seed, f"streetlights/{purpose}", max(day, 0))
