"""The water department as a whole: networks, pumps, tanks, customers, and what its instruments show on any day."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np

from core.asset import Asset, Series
from core.calendar import Calendar
from simulators.fault import Fault, FaultKind, active, span_us
from simulators.noise import FloatArray
from simulators.surroundings import Surroundings
from simulators.waterworks.breaks import HYDRAULIC, Target, fits, order, shows_on
from simulators.waterworks.demand import DAY_S, times_us
from simulators.waterworks.hydraulics import Hydraulics
from simulators.waterworks.instruments import Truth, gaps, late_us, mislead, repeating_row, rows_of, shown
from simulators.waterworks.layout import Dma, assets_of, edges_of, lay_out, limits_of, metrics_of
from simulators.waterworks.quality import quality
from simulators.waterworks.scale import WaterScale, WaterworksError

STEPS_S = (300, 600, 900, 1_200, 1_800, 3_600)
"""Seconds between samples that can be asked for: all divide an hour, so that 06:00 is a stamp in every time zone."""

_MEMORY_ENTRIES_PER_DMA = 4

_REPEATS = frozenset({FaultKind.PRESSURE_STUCK, FaultKind.METER_STUCK})

Mine = tuple[tuple[Fault, Target], ...]
"""The faults of one DMA, sorted, and what each befalls."""


class Waterworks:
    """A city's water department; a `simulators.department.Department`.

    Parameters
    ----------
    scale
        How large it is.
    seed
        The city's; not negative.
    calendar, surroundings
        Wall clock, holidays, and weather.
    step_s
        Seconds between samples; one of `STEPS_S`.
    folder
        Where solved days outlive the process; None means in memory only.
    """

    def __init__(
        self,
        scale: WaterScale,
        *,
        seed: int,
        calendar: Calendar,
        surroundings: Surroundings,
        step_s: int,
        folder: Path | None,
    ) -> None:
        self.scale = scale
        self._made_of = (scale, seed, calendar, surroundings, step_s, folder)
        self._step_s = step_s
        self._dmas = lay_out(scale, seed)
        entries = max(256, _MEMORY_ENTRIES_PER_DMA * scale.dmas)
        self._hydraulics = Hydraulics(seed, calendar, surroundings, step_s, folder, entries)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes as what it was made of."""
        return _rebuilt, self._made_of

    @cached_property
    def assets(self) -> tuple[Asset, ...]:
        """All its things, DMA by DMA."""
        return tuple(asset for dma in self._dmas for asset in assets_of(dma))

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """What is measured, DMA by DMA: inflow, pressures, level, pumps, quality, customers."""
        return tuple(
            Series(asset, metric, unit, float(self._step_s), *limits_of(metric, unit))
            for dma in self._dmas
            for asset, metric, unit in metrics_of(dma)
        )

    @cached_property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Which asset feeds or holds which, as pairs of names (parent, child)."""
        return tuple(edge for dma in self._dmas for edge in edges_of(dma))

    @property
    def step_s(self) -> int:
        """Seconds between two samples."""
        return self._step_s

    @property
    def dmas(self) -> tuple[Dma, ...]:
        """The district metered areas, as they were laid out."""
        return self._dmas

    @cached_property
    def _targets(self) -> dict[str, Target]:
        found = {}
        for dma in self._dmas:
            for asset in assets_of(dma):
                which = asset.name.removeprefix(dma.named(asset.kind)).removeprefix("-")
                found[asset.name] = Target(dma.number, asset.kind, which)
        return found

    def values(self, day: int, faults: tuple[Fault, ...] = ()) -> FloatArray:
        """Return what the instruments show on a UTC day.

        Parameters
        ----------
        day
            Days since 1970-01-01 UTC; not negative.
        faults
            What is broken, in any order; faults of other departments and of later days change nothing.

        Returns
        -------
        Shape (number of series, 86,400 / `step_s`): from 00:00 UTC on, in the unit of each series, rounded as its
        instrument rounds; flows are means of the interval that begins at the stamp. NaN where an instrument shows
        nothing. Read-only.

        Raises
        ------
        HydraulicsMissingError
            If wntr is not installed.
        """
        by_dma = self._by_dma(faults, day)
        rows = self.scale.series_per_dma
        values = np.empty((rows * len(self._dmas), DAY_S // self._step_s))
        for dma in self._dmas:
            block = self._shown(dma, day, by_dma.get(dma.number, ()))
            block[gaps(dma, day, block.shape)] = np.nan
            values[dma.number * rows : (dma.number + 1) * rows] = block
        values.flags.writeable = False
        return values

    def truth(self, dma: int, day: int, faults: tuple[Fault, ...] = ()) -> Truth:
        """Return what is in a DMA, by its number from 0 on, whatever the instruments show of it."""
        return self._truth(self._dmas[dma], day, self._by_dma(faults, day).get(dma, ()))

    def affected(self, fault: Fault) -> tuple[str, ...]:
        """Return the names of the assets on which a fault shows, the broken one first; empty for a foreign fault."""
        target = self._targets.get(fault.asset)
        if target is None or not fits(fault, target):
            return ()
        return shows_on(self._dmas[target.dma], fault, target)

    def _by_dma(self, faults: Iterable[Fault], day: int) -> dict[int, Mine]:
        """Sort the department's own faults that have begun by the day's end by DMA; twice the same is once."""
        end_us = int(times_us(day + 1, self._step_s)[0])
        found: dict[int, Mine] = {}
        for fault in sorted(set(faults), key=order):
            target = self._targets.get(fault.asset)
            if target is not None and fits(fault, target) and span_us(fault)[0] < end_us:
                found[target.dma] = (*found.get(target.dma, ()), (fault, target))
        return found

    def _truth(self, dma: Dma, day: int, faults: Mine) -> Truth:
        flows = self._hydraulics.flows(dma, day, tuple(pair for pair in faults if pair[0].kind in HYDRAULIC))
        foul = tuple(pair for pair in faults if pair[0].kind is FaultKind.CONTAMINATION)
        travel_h = self._hydraulics.pumps(dma.template).travel_h
        stamps = times_us(day, self._step_s)
        chlorine, turbidity = quality(dma, day, stamps, lambda at: self._hydraulics.total(dma, at), travel_h, foul)
        wanted = self._hydraulics.customers(dma, day)
        calm = self._hydraulics.total(dma, day) * flows.served
        return Truth(
            wanted * flows.served,
            dma.leakage_m3_h * flows.served,
            np.maximum(flows.inflow_m3_h - calm, 0.0),
            flows.inflow_m3_h,
            flows.pumped_m3_h,
            flows.power_w,
            flows.running,
            flows.spilt_m3_h,
            flows.level_m,
            flows.pressures_m,
            chlorine,
            turbidity,
        )

    def _shown(self, dma: Dma, day: int, faults: Mine) -> FloatArray:
        """Return what a DMA's instruments show, before gaps; the caller may write into it."""
        rows = shown(dma, day, self._truth(dma, day, faults), self._step_s)
        stamps = times_us(day, self._step_s)
        for fault, target in faults:
            mislead(dma, rows, stamps, fault, target)
        for fault, target in faults:
            if fault.kind is FaultKind.CLOCK_WRONG:
                self._be_late(dma, day, rows, fault, target, faults)
        for fault, target in faults:
            if fault.kind in _REPEATS and active(fault, stamps).any():
                row = repeating_row(dma, fault, target)
                rows[row, active(fault, stamps)] = self._last_shown(dma, row, fault, faults)
        return rows

    def _be_late(self, dma: Dma, day: int, rows: FloatArray, fault: Fault, target: Target, faults: Mine) -> None:
        """Let an instrument show, in place, what it should have shown an hour or two before."""
        now = active(fault, times_us(day, self._step_s))
        if not now.any():
            return
        others = tuple(
            pair for pair in faults if pair[0].kind is not FaultKind.CLOCK_WRONG and pair[0].kind not in _REPEATS
        )
        both = np.concatenate([self._shown(dma, max(day - 1, 0), others), self._shown(dma, day, others)], axis=1)
        steps = rows.shape[1]
        back = late_us(fault) // (self._step_s * 1_000_000)
        mine = rows_of(dma, target)
        rows[mine, now] = both[mine, steps - back : 2 * steps - back][:, now]

    def _last_shown(self, dma: Dma, row: int, fault: Fault, faults: Mine) -> float:
        """Return what a stuck instrument showed last before it stuck."""
        steps = DAY_S // self._step_s
        day, step = divmod(max(span_us(fault)[0] - 1, 0) // (self._step_s * 1_000_000), steps)
        others = tuple(pair for pair in faults if pair[0].kind not in _REPEATS)
        return float(self._shown(dma, day, others)[row, step])


def _rebuilt(
    scale: WaterScale, seed: int, calendar: Calendar, surroundings: Surroundings, step_s: int, folder: Path | None
) -> Waterworks:
    return build_waterworks(
        scale, seed=seed, calendar=calendar, surroundings=surroundings, step_s=step_s, cache_dir=folder
    )


def build_waterworks(
    scale: WaterScale,
    *,
    seed: int,
    calendar: Calendar,
    surroundings: Surroundings,
    step_s: int = 900,
    cache_dir: Path | None = None,
) -> Waterworks:
    """Build the water department of a simulated city.

    Parameters
    ----------
    scale
        How large it is: `TINY`, `SMALL`, `MEDIUM`, or another.
    seed
        Of all its chance; not negative. The same seed gives the same department, day by day, in every process.
    calendar
        Wall clock and holidays; its people live by it.
    surroundings
        The weather.
    step_s
        Seconds between samples; one of `STEPS_S`.
    cache_dir
        Folder in which solved days outlive the process, made when needed; None means in memory only.

    Raises
    ------
    WaterworksError
        If the seed is negative or the step is none of `STEPS_S`.
    """
    if seed < 0:
        raise WaterworksError("the seed of a simulated city is 0 or greater")
    if step_s not in STEPS_S:
        raise WaterworksError(f"a step is one of {', '.join(str(each) for each in STEPS_S)} seconds, not {step_s}")
    return Waterworks(scale, seed=seed, calendar=calendar, surroundings=surroundings, step_s=step_s, folder=cache_dir)
