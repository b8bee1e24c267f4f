"""What is said of a labelled set, beyond what `cityvigil evaluate` may know: for the page only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from core.errors import InputFileError

DESCRIPTION = "dataset.json"

_DRAWABLE = frozenset({"MIT", "CC BY 4.0", "own", "own simulation"})
_SYMBOLS = {"Cel": "°C", "1": "", "m3/h": "m³/h", "uS/cm": "µS/cm", "mg/L": "mg/L"}
_UNIT_IN_NAME = "as in the file name"


class _Described(msgspec.Struct, frozen=True):
    train_until: dict[str, str]
    domain: str
    origin: str
    licence: str
    unit: dict[str, str] = {}
    interval_s: float | None = None
    grouped: bool = False
    local_clock: bool = False
    note: str = ""
    series: int = 0
    points: int = 0
    labelled_points: int = 0


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A labelled set.

    Attributes
    ----------
    folder
        Where it lies; its name is the set's.
    domain
        `transport`, `water` or `lighting`.
    origin, licence, note
        As its description has them.
    units
        By a signal's name, or the beginning of one.
    interval_s
        Seconds between two rows; None where they come as they come.
    grouped
        Whether the signals of a series belong to one asset.
    local_clock
        Whether its stamps are a local clock's.
    series, points, labelled_points
        How many there are.
    others
        What others published, as it stands in the description.
    """

    folder: Path
    domain: str
    origin: str
    licence: str
    note: str
    units: dict[str, str]
    interval_s: float | None
    grouped: bool
    local_clock: bool
    series: int
    points: int
    labelled_points: int
    others: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.folder.name

    @property
    def may_be_drawn(self) -> bool:
        """Whether the licence allows a picture of its rows in a published page."""
        return may_be_drawn(self.licence)


def may_be_drawn(licence: str) -> bool:
    """Say whether rows under a licence may be shown in a picture: only those that are known to allow it."""
    return licence in _DRAWABLE


def read_sets(folder: Path, only: tuple[str, ...] = ()) -> list[LabelledSet]:
    """Return the sets in a folder, by name.

    Parameters
    ----------
    only
        Names of those wanted; empty means all.

    Raises
    ------
    InputFileError
        If there is none, one that is wanted is missing, or a description lacks what the page shows.
    """
    found = {path.parent.name: path for path in sorted(folder.glob(f"*/{DESCRIPTION}"))}
    missing = [name for name in only if name not in found]
    if missing or not found:
        what = f"has no set named {', '.join(missing)}" if missing else f"has no folder with a {DESCRIPTION}"
        raise InputFileError(str(folder), None, what)
    return [_read(path) for name, path in found.items() if not only or name in only]


def _read(path: Path) -> LabelledSet:
    try:
        content = path.read_bytes()
        described = msgspec.json.decode(content, type=_Described)
        everything: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
    except OSError as exc:
        raise InputFileError(str(path), None, f"cannot be read: {exc.strerror}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InputFileError(str(path), None, str(exc)) from exc
    return LabelledSet(
        folder=path.parent,
        domain=described.domain,
        origin=described.origin,
        licence=described.licence.strip(),
        note=described.note,
        units=described.unit,
        interval_s=described.interval_s,
        grouped=described.grouped,
        local_clock=described.local_clock,
        series=described.series or len(described.train_until),
        points=described.points,
        labelled_points=described.labelled_points,
        others={key: value for key, value in everything.items() if key.startswith("peers")},
    )


def signal_label(units: dict[str, str], series: str, metric: str) -> str:
    """Return what to write on a signal's axis: what it is, with its unit where one is known.

    Parameters
    ----------
    units
        By a signal's exact name, which goes first, or the beginning of one, the longest first; either a unit or
        `<quantity>, <unit>`.
    series
        Its file, which may be what names the signal.
    """
    said = _longest_match(units, metric)
    if said == _UNIT_IN_NAME:
        return series
    quantity, _, unit = said.rpartition(", ")
    symbol = _SYMBOLS.get(unit, unit)
    name = f"{quantity} {metric}" if quantity else metric.replace("_", " ")
    return f"{name} ({symbol})" if symbol else name


def _longest_match(units: dict[str, str], metric: str) -> str:
    prefixes = [prefix for prefix in units if metric.startswith(prefix)]
    return units.get(metric) or units.get(max(prefixes, key=len, default=""), "")
