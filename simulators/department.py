"""What every department of a simulated city can do: say what there is, and what its instruments show on any day."""

from typing import Protocol

from core.asset import Asset, Series
from simulators.fault import Fault
from simulators.noise import FloatArray


class Department(Protocol):
    """The things of one department of a city of some size.

    Everything is a pure function of what the department was built from and of the day that is asked for, whichever
    days were asked for before and in whichever process.
    """

    @property
    def assets(self) -> tuple[Asset, ...]:
        """All its things; names are unique in the city."""
        ...

    @property
    def series(self) -> tuple[Series, ...]:
        """What is measured, in the order of the rows of `values`."""
        ...

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Which asset feeds or holds which, as pairs of names (parent, child)."""
        ...

    @property
    def step_s(self) -> int:
        """Seconds between two samples; divides a day."""
        ...

    def values(self, day: int, faults: tuple[Fault, ...] = ()) -> FloatArray:
        """Return what the instruments show on a UTC day.

        Parameters
        ----------
        day
            Days since 1970-01-01 UTC.
        faults
            What is broken; faults of other departments and of other days change nothing.

        Returns
        -------
        Shape (number of series, 86,400 / `step_s`): from 00:00 UTC on, in the unit of each series, rounded as its
        instrument rounds; NaN where an instrument shows nothing. Read-only.
        """
        ...

    def affected(self, fault: Fault) -> tuple[str, ...]:
        """Return the names of the assets on which a fault shows, the broken one first; empty for a foreign fault."""
        ...
