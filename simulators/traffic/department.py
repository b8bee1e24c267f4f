"""The transport department: streets with their counters, and lines whose vehicles drive on these streets."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.asset import Asset, Series
from core.calendar import Calendar
from core.errors import PermanentError
from simulators.fault import Fault
from simulators.noise import FloatArray
from simulators.surroundings import Surroundings
from simulators.traffic import service
from simulators.traffic.breaks import STREET_FAULTS, Reach, ours, reach
from simulators.traffic.counters import counter_values, travel_times
from simulators.traffic.scale import Scale
from simulators.traffic.town import Town, assets_of, build_town, edges_of, series_of
from simulators.traffic.tracks import Moments
from simulators.traffic.vehicles import trajectory, vehicle_values

_DAY_S, _SHORTEST_STEP_S, _LONGEST_STEP_S = 86_400, 60, 3_600


class TrafficError(PermanentError):
    """The department cannot be built as asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """Road traffic, and vehicles on lines; see `simulators.department.Department`.

    Attributes
    ----------
    town
        Its streets and lines.
    step_s
        Seconds between two samples.
    assets, series, edges
        As the protocol says.
    """

    town: Town
    step_s: int
    assets: tuple[Asset, ...]
    series: tuple[Series, ...]
    edges: tuple[tuple[str, str], ...]

    def values(self, day: int, faults: tuple[Fault, ...] = ()) -> FloatArray:
        """Return what the instruments show on a UTC day; shape (series, steps), read-only.

        A sample tells of the step that ends at its stamp, or of the moment itself. NaN: the sample went missing, the
        vehicle is not in service, no vehicle passed whose speed could be told, or nobody came for half an hour.

        Parameters
        ----------
        day
            Days since 1970-01-01 UTC; 3 or later.
        faults
            What is broken; foreign faults change nothing.
        """
        town, found = self.town, ours(self.town, faults)
        steps = _DAY_S // self.step_s
        stamps_us = (day * _DAY_S + np.arange(steps, dtype=np.int64) * self.step_s) * 1_000_000
        values = np.concatenate(
            [
                travel_times(town, day, self.step_s, found),
                counter_values(town, day, self.step_s, found).reshape(-1, steps),
                service.headways(town, stamps_us, found),
                vehicle_values(town, day, self.step_s, found).reshape(-1, steps),
            ]
        )
        values.flags.writeable = False
        return values

    def affected(self, fault: Fault) -> tuple[str, ...]:
        """Return the names of the assets on which a fault shows, the broken one first; empty for a foreign fault."""
        if not ours(self.town, (fault,)):
            return ()
        names = dict.fromkeys((fault.asset, *self._shown_by(fault)))
        return tuple(names)

    def _shown_by(self, fault: Fault) -> Iterator[str]:
        town, found = self.town, reach(self.town, fault)
        if fault.kind in STREET_FAULTS:
            yield from _segments_and_counters(town, found)
        fleet = town.lines.fleet
        for line in np.flatnonzero(found.lines).tolist():
            yield town.lines.names[line]
            yield from town.vehicle_names[line * fleet : (line + 1) * fleet]

    def calls(self, day: int, faults: tuple[Fault, ...] = ()) -> NDArray[np.void]:
        """Return the arrivals and departures of a UTC day as a structured array of dtype `CALL`, by time; read-only."""
        return service.calls(self.town, day, ours(self.town, faults))

    def trajectory(
        self, vehicles: NDArray[np.int64], times_us: NDArray[np.int64], faults: tuple[Fault, ...] = ()
    ) -> Moments:
        """Return where vehicles truly are and how fast, at any times; arrays of shape (vehicles, times).

        Parameters
        ----------
        vehicles
            Their numbers, as in `calls`, in order.
        times_us
            Microseconds since 1970-01-01 UTC.
        faults
            What is broken; what befalls instruments or feeds only does not count here.
        """
        return trajectory(self.town, vehicles, times_us, ours(self.town, faults))


def _segments_and_counters(town: Town, found: Reach) -> Iterator[str]:
    yield from (town.segment_names[at] for at in np.flatnonzero(found.segments).tolist())
    yield from (town.counter_names[at] for at in np.flatnonzero(found.segments[town.counted]).tolist())


def build_traffic(
    scale: Scale, *, seed: int, calendar: Calendar, surroundings: Surroundings, step_s: int = 300
) -> Traffic:
    """Build the transport department of a city.

    Parameters
    ----------
    seed
        Of all its chance; not negative.
    step_s
        Seconds between two samples: 60 to 3,600, a divisor of an hour.

    Raises
    ------
    TrafficError
        If the seed is negative or the step does not fit.
    """
    if seed < 0:
        raise TrafficError("the seed is not negative")
    if not _SHORTEST_STEP_S <= step_s <= _LONGEST_STEP_S or _LONGEST_STEP_S % step_s:
        raise TrafficError(f"a step of {step_s} s is not a divisor of an hour, 60 s or more")
    town = build_town(scale, seed, calendar, surroundings)
    return Traffic(town, step_s, assets_of(town), series_of(town, step_s), edges_of(town))
