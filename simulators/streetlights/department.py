"""The street-lighting department: what there is, and what its meters show on any day."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.asset import Asset, Series
from core.calendar import Calendar
from simulators.fault import Fault, FaultKind
from simulators.noise import FloatArray
from simulators.rhythm import DAY_US
from simulators.streetlights.balance import Truth, truth_of
from simulators.streetlights.breaks import Break, holding, placed
from simulators.streetlights.instruments import lose_messages, shown
from simulators.streetlights.layout import IntArray
from simulators.streetlights.plant import Plant
from simulators.streetlights.registry import Registry, name_of, registry_of
from simulators.streetlights.scale import Scale
from simulators.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Streetlights:
    """Street lighting of a simulated city, behind `simulators.department.Department`.

    A sample is the mean of the step that ends at its stamp, so that a step in which lamps are switched shows part of
    their power; voltage is that of the stamp. `energy` counts W.h from 00:00 UTC of each day on. NaN means that no
    message arrived, that the meter had no supply (lamps without supply, cabinets after six hours without), or, for a
    power factor, that nothing flowed.

    A lost feeder is measured from its substation and shows 0; a cabinet's meter shows 0 from its battery.

    Attributes
    ----------
    plant
        What it is built from.
    """

    plant: Plant

    @property
    def _registry(self) -> Registry:
        return registry_of(self.plant.scale, self.plant.seed, self.plant.step_s)

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Feeders, cabinets each with its phases, lamps; phases measure nothing."""
        return self._registry.assets

    @property
    def series(self) -> tuple[Series, ...]:
        """What is measured, in the order of the rows of `values`."""
        return self._registry.series

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs (parent, child): feeder and cabinet, cabinet and phase, phase and lamp."""
        return self._registry.edges

    @property
    def cables(self) -> tuple[tuple[str, ...], ...]:
        """Lamps of each cable by name, the first next to the cabinet."""
        length = self.plant.scale.lamps_per_cable
        names = [name_of("lamp", number) for number in range(self.plant.scale.lamps)]
        return tuple(tuple(names[begin : begin + length]) for begin in range(0, len(names), length))

    @property
    def step_s(self) -> int:
        """Seconds between two samples."""
        return self.plant.step_s

    def values(self, day: int, faults: tuple[Fault, ...] = ()) -> FloatArray:
        """Return what the meters show on a UTC day; see `Department.values`."""
        values = _shown(self.plant, day, holding(self.plant, day, faults, of_meters=False)).copy()
        for fault in holding(self.plant, day, faults, of_meters=True):
            broken = placed(self.plant, fault)
            if broken is not None:
                self._spoil(values, day, broken, faults)
        lose_messages(self.plant, day, values)
        values.flags.writeable = False
        return values

    def truth(self, day: int, faults: tuple[Fault, ...] = ()) -> Truth:
        """Return what really flows on a UTC day, without any meter's error; faults of meters change nothing."""
        faults = holding(self.plant, day, faults, of_meters=False)
        return truth_of(self.plant, day, _breaks(self.plant, faults))

    def affected(self, fault: Fault) -> tuple[str, ...]:
        """Return the names of the assets on which a fault shows, the broken one first; empty for a foreign fault.

        Behind the broken one come the lamps that it changes, then the cabinets and the feeder whose sums change.
        """
        broken = placed(self.plant, fault)
        if broken is None:
            return ()
        lamps = [name_of("lamp", number) for number in broken.lamps.tolist()]
        return tuple(dict.fromkeys([broken.asset, *lamps, *self._above(broken)]))

    def _above(self, broken: Break) -> list[str]:
        """Return the cabinets and feeders whose sums a fault changes."""
        if broken.kind in {FaultKind.METER_STUCK, FaultKind.CLOCK_WRONG}:
            return []
        if broken.asset_kind == "feeder":
            return [name_of("cabinet", number) for number in self.plant.layout.cabinets_of_feeder(broken.number)]
        per_cabinet = self.plant.scale.lamps_per_cabinet
        cabinet = broken.number if broken.is_of_cabinet else broken.number // per_cabinet
        feeder = cabinet // self.plant.scale.cabinets_per_feeder
        return [name_of("cabinet", cabinet), name_of("feeder", feeder)]

    def _spoil(self, values: FloatArray, day: int, broken: Break, faults: tuple[Fault, ...]) -> None:
        """Make of what a sound meter shows what a broken one shows."""
        rows = np.array(self._registry.rows_of[broken.asset])
        when = broken.during(self.plant.stamps_us(day))
        if broken.kind is FaultKind.METER_STUCK:
            held = _held(
                self.plant, max(broken.start_us - 1, 0) // DAY_US, broken.start_us, tuple(rows.tolist()), faults
            )
            values[np.ix_(rows, when)] = np.array(held)[:, None]
        else:
            values[np.ix_(rows, when)] = self._displaced(day, broken, rows, faults)[:, when]

    def _displaced(self, day: int, broken: Break, rows: IntArray, faults: tuple[Fault, ...]) -> FloatArray:
        """Return what some rows show an hour before or after each stamp of a day; shape (rows, steps)."""
        hour = 3600 // self.plant.step_s
        shift = hour if broken.key % 2 else -hour
        days = (day, day + 1) if shift > 0 else (max(day - 1, 0), day)
        parts = [_shown(self.plant, each, holding(self.plant, each, faults, of_meters=False))[rows] for each in days]
        begin = shift if shift > 0 else self.plant.steps + shift
        return np.concatenate(parts, axis=1)[:, begin : begin + self.plant.steps]


def _breaks(plant: Plant, faults: tuple[Fault, ...]) -> list[Break]:
    found = [placed(plant, fault) for fault in faults]
    return [each for each in found if each is not None]


@lru_cache(maxsize=3)
def _shown(plant: Plant, day: int, faults: tuple[Fault, ...]) -> FloatArray:
    """Return what sound meters show, no message being lost: (series, steps), read-only; `faults` not of meters."""
    breaks = _breaks(plant, faults)
    values = shown(plant, day, truth_of(plant, day, breaks), breaks)
    values.flags.writeable = False
    return values


@lru_cache(maxsize=256)
def _held(plant: Plant, day: int, start_us: int, rows: tuple[int, ...], faults: tuple[Fault, ...]) -> tuple[float, ...]:
    """Return what a meter showed last before it stuck, row by row."""
    before = max(int(np.count_nonzero(plant.stamps_us(day) < start_us)) - 1, 0)
    values = _shown(plant, day, holding(plant, day, faults, of_meters=False))
    return tuple(values[list(rows), before].tolist())


def build_streetlights(
    scale: Scale, *, seed: int, calendar: Calendar, surroundings: Surroundings, step_s: int = 900
) -> Streetlights:
    """Build the street lighting of a simulated city.

    Parameters
    ----------
    scale
        How large; `PRESETS` has some.
    seed
        Of all its chance; not negative. The same seed gives the same street lighting in every process.
    calendar
        Wall clock by which lamps are dimmed.
    surroundings
        Weather: rain and clouds switch lamps on earlier.
    step_s
        Seconds between two samples: whole minutes that divide an hour.

    Raises
    ------
    StreetlightsError
        If seed or step is none of these.
    AstralMissingError
        Later, when a day is asked for, if the extra `simulators` is not installed.
    """
    return Streetlights(Plant(scale, seed, calendar, surroundings, step_s))
