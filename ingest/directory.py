"""What ingest knows of the registry: the number, unit and limits of each series, by the feed's own names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.asset import Asset, Series
from core.message import Decoded
from core.metrics import traits_of
from store.database import Connection
from store.registry import StoredSeries, add_assets, add_series, find_assets, series_of_assets

SeriesName = tuple[str, str]
"""Device and metric, in the feed's words."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A known series.

    Attributes
    ----------
    row
        Its place in the directory's arrays.
    unit
        The unit that its values are stored in.
    """

    row: int
    unit: str


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """Numbers of all known series, by row; all arrays have shape (known series,).

    Attributes
    ----------
    series_id
        int32.
    lower, upper
        Physical limits, float64; NaN where there is none.
    """

    series_id: NDArray[np.int32]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


class Directory:
    """A part of the registry, held in memory; it only ever grows, as the registry loses nothing."""

    def __init__(self) -> None:
        self._assets: dict[str, int] = {}
        self._slots: dict[SeriesName, Slot] = {}
        self._rows: list[StoredSeries] = []
        self._table: SeriesTable | None = None

    @property
    def assets(self) -> Mapping[str, int]:
        """The number of each known device."""
        return self._assets

    @property
    def slots(self) -> Mapping[SeriesName, Slot]:
        """Each known series."""
        return self._slots

    @property
    def table(self) -> SeriesTable:
        """The numbers of all known series."""
        if self._table is None:
            self._table = SeriesTable(
                np.array([s.series_id for s in self._rows], dtype=np.int32),
                np.array([s.lower_limit for s in self._rows], dtype=np.float64),
                np.array([s.upper_limit for s in self._rows], dtype=np.float64),
            )
        return self._table

    def add_assets(self, numbers: Mapping[str, int]) -> None:
        """Remember devices."""
        self._assets.update(numbers)

    def add_series(self, found: Iterable[StoredSeries]) -> None:
        """Remember series; those known already stay as they are."""
        for series in found:
            name = (series.asset, series.metric)
            if name not in self._slots:
                self._slots[name] = Slot(len(self._rows), series.unit)
                self._rows.append(series)
                self._table = None


def learn(connection: Connection, directory: Directory, said: Iterable[Decoded], *, onboarding: bool) -> None:
    """Look up what the messages speak of, and add to the registry what it lacks.

    Each addition is committed at once: it holds whatever becomes of the messages. A new metric of a known device is
    always added, in the unit in which it is first said.

    Parameters
    ----------
    said
        What a batch of messages says.
    onboarding
        Whether a device that a message describes may be added; if not, it stays unknown.
    """
    said = list(said)
    described = {asset.name: asset for decoded in said for asset in decoded.assets}
    devices = {r.device for d in said for r in d.readings} | {e.device for d in said for e in d.events}
    unknown = devices - directory.assets.keys()
    if unknown:
        directory.add_assets(_find_or_add(connection, unknown, described if onboarding else {}))
    units = {(r.device, r.metric): r.unit for d in reversed(said) for r in reversed(d.readings)}
    missing = {name: units[name] for name in units.keys() - directory.slots.keys() if name[0] in directory.assets}
    if missing:
        _find_or_add_series(connection, directory, missing)


def _find_or_add(connection: Connection, names: set[str], described: Mapping[str, Asset]) -> dict[str, int]:
    found = find_assets(connection, names)
    new = [described[name] for name in names - found.keys() if name in described]
    return {**found, **add_assets(connection, new)} if new else found


def _find_or_add_series(connection: Connection, directory: Directory, missing: Mapping[SeriesName, str]) -> None:
    assets = sorted({directory.assets[device] for device, _ in missing})
    directory.add_series(series_of_assets(connection, assets))
    new = [(name, unit) for name, unit in missing.items() if name not in directory.slots]
    if new:
        add_series(connection, [(directory.assets[name[0]], _series(name, unit)) for name, unit in new])
        directory.add_series(series_of_assets(connection, assets))


def _series(name: SeriesName, unit: str) -> Series:
    device, metric = name
    traits = traits_of(metric, unit)
    return Series(device, metric, unit, traits.expected_interval_s, traits.lower_limit, traits.upper_limit)
