"""Reads labelled data: a folder with `dataset.json` and one `<series>.csv.gz` per series or group of signals.

What may be known of a set while judging it (interval, zone, country, whether the columns belong together) is kept
apart from what may not (labels, names, other people's scores): the latter is never passed on.
"""

import gzip
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.calendar import Calendar
from core.errors import InputFileError

NOT_INPUTS = ("time", "label", "label_share", "fault")
"""Columns that no detector sees."""

_DESCRIPTION = "dataset.json"
_MISSING = ["", "nan", "NaN", "null", "NA"]
_FIRST_LINE = 2
"""Line of a file that its first row stands in."""


class _Described(msgspec.Struct, frozen=True):
    train_until: dict[str, str]
    interval_s: float | None = None
    grouped: bool = False
    time_zone: str | None = None
    country: str | None = None
    local_clock: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled set.

    Attributes
    ----------
    folder
        Where it lies.
    train_until
        For each series the time up to which its rows are history; UTC.
    interval_s
        Seconds between two rows; None where nobody says.
    grouped
        Whether the columns of a series belong to one asset.
    calendar
        In whose hours and holidays its habits repeat.
    """

    folder: Path
    train_until: dict[str, datetime]
    interval_s: float | None
    grouped: bool
    calendar: Calendar

    def path_of(self, series: str) -> Path:
        """Return the file of a series."""
        packed = self.folder / f"{series}.csv.gz"
        plain = self.folder / f"{series}.csv"
        return plain if plain.exists() and not packed.exists() else packed


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one file, as they stand in it.

    Attributes
    ----------
    path
        The file.
    stamps
        Each row's time as it was written.
    times
        datetime64[us], UTC, shape (n,).
    metrics
        Names of the k signals.
    values
        Shape (n, k); NaN where there is no value.
    labels
        Shape (n,), 1 inside an anomaly; None where the file has no such column.
    """

    path: Path
    stamps: tuple[str, ...]
    times: NDArray[np.datetime64]
    metrics: tuple[str, ...]
    values: NDArray[np.float64]
    labels: NDArray[np.int8] | None


def read_dataset(folder: Path) -> Dataset:
    """Read what is said of a set.

    Raises
    ------
    InputFileError
        If the description is missing, is no JSON, lacks `train_until` or names a zone that there is none of.
    """
    path = folder / _DESCRIPTION
    try:
        described = msgspec.json.decode(path.read_bytes(), type=_Described)
    except OSError as exc:
        raise InputFileError(str(path), None, f"cannot be read: {exc.strerror}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InputFileError(str(path), None, str(exc)) from exc
    if described.interval_s is not None and not described.interval_s > 0:
        raise InputFileError(
            str(path), None, f"interval_s is {described.interval_s}; it must be greater than 0 or null"
        )
    until = {name: _train_until(path, name, text) for name, text in described.train_until.items()}
    return Dataset(folder, until, described.interval_s, described.grouped, _calendar(path, described))


def _train_until(path: Path, name: str, text: str) -> datetime:
    if Path(name).name != name:
        raise InputFileError(str(path), None, f"train_until: '{name}' is no name of a series in this folder")
    time = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    if pd.isna(time):
        raise InputFileError(str(path), None, f"train_until of {name}: '{text}' is no ISO 8601 time")
    moment: datetime = time.to_pydatetime()
    return moment


def _calendar(path: Path, described: _Described) -> Calendar:
    # A local clock that was written as if it were UTC is read as one: its hours are the habits' own.
    zone = "UTC" if described.local_clock or described.time_zone is None else described.time_zone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise InputFileError(str(path), None, f"time_zone: '{zone}' is no IANA time zone") from exc
    return Calendar(zone, described.country or "")


def read_table(path: Path) -> Table:
    """Read one file of rows.

    Raises
    ------
    InputFileError
        Naming file and line, if the file cannot be read, has no time or no signal, or a row holds what is neither
        a time, a number nor missing.
    """
    frame = _read_text(path)
    columns = list(frame.columns)
    metrics = tuple(column for column in columns if column not in NOT_INPUTS)
    if "time" not in columns or not metrics:
        raise InputFileError(str(path), 1, "needs a column 'time' and at least one signal")
    stamps = frame["time"]
    times = pd.to_datetime(stamps, format="ISO8601", utc=True, errors="coerce")
    _refuse(path, "time", stamps, times.isna().to_numpy(), "is no ISO 8601 time")
    values = np.column_stack([_numbers(path, frame[metric]) for metric in metrics])
    labels = _labels(path, frame["label"]) if "label" in columns else None
    naive = times.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return Table(path, tuple(stamps), naive, metrics, values, labels)


def _read_text(path: Path) -> pd.DataFrame:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            # As text, so that what is no number can be told from what is missing.
            header = file.readline().rstrip("\r\n").split(",")
            if header == [""]:
                raise InputFileError(str(path), 1, "the file is empty")
            if len(set(header)) < len(header):
                raise InputFileError(str(path), 1, "two columns have the same name")
            return pd.read_csv(
                file,
                names=header,
                dtype=str,
                keep_default_na=False,
                na_filter=False,
                skip_blank_lines=False,
                index_col=False,
                on_bad_lines="error",
            )
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as exc:
        raise InputFileError(str(path), None, f"is damaged: {exc}") from exc
    except OSError as exc:
        raise InputFileError(str(path), None, f"cannot be read: {exc.strerror or exc}") from exc
    except pd.errors.EmptyDataError:
        return pd.DataFrame({name: pd.Series(dtype=str) for name in header})
    except pd.errors.ParserError as exc:
        line = re.search(r"line (\d+)", str(exc))
        # The header was read before: lines are counted from the one after it.
        raise InputFileError(str(path), int(line[1]) + 1 if line else None, "has more fields than columns") from exc


def _refuse(path: Path, column: str, texts: pd.Series, wrong: NDArray[np.bool_], what: str) -> None:
    """Raise an error that names the first row that is wrong, if one is."""
    if wrong.any():
        row = int(wrong.argmax())
        raise InputFileError(str(path), row + _FIRST_LINE, f"{column} '{texts.iloc[row]}' {what}")


def _numbers(path: Path, texts: pd.Series) -> NDArray[np.float64]:
    stripped = texts.str.strip()
    missing = stripped.isin(_MISSING).to_numpy()
    values = np.asarray(pd.to_numeric(stripped.mask(missing), errors="coerce"), dtype=np.float64)
    _refuse(path, str(texts.name), texts, ~missing & ~np.isfinite(values), "is no finite number")
    return values


def _labels(path: Path, texts: pd.Series) -> NDArray[np.int8]:
    known = texts.isin(["0", "1", "0.0", "1.0"]).to_numpy()
    _refuse(path, "label", texts, ~known, "is neither 0 nor 1")
    return np.asarray(texts.str.startswith("1"), dtype=np.int8)
