"""One series of a labelled set: walk it, write what was found, and remember what it was made from."""

import hashlib
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import core
import detectors
import engine
from cli.evaluation.dataset import Dataset, Table, read_table
from cli.evaluation.ordering import Ordered, in_time_order
from cli.evaluation.progress import Rows
from core.settings import EngineSettings
from detectors.protocol import Window
from engine.budget import opening_p_value
from engine.walk import Walked, side_by_side, walk

RECORDS = ".evaluate"
"""Folder, inside the output's, of what is known of each finished series."""

HEADER = "time,score,alarm\n"

_UNKNOWN_INTERVAL_S = 300.0
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class SeriesTask:
    """What it takes to evaluate one series.

    Attributes
    ----------
    out
        Folder to write to.
    budget
        False alerts allowed per 1,000 series per week.
    """

    dataset: Dataset
    name: str
    out: Path
    settings: EngineSettings
    budget: float

    @property
    def until(self) -> datetime:
        """Last time of the history, in UTC and without a zone, as NumPy has it."""
        return self.dataset.train_until[self.name].astimezone(UTC).replace(tzinfo=None)

    @property
    def scores_path(self) -> Path:
        """Where the scores go."""
        return self.out / f"{self.name}.csv"

    @property
    def record_path(self) -> Path:
        """Where the record of a finished series goes."""
        return self.out / RECORDS / f"{self.name}.json"


class SeriesRecord(msgspec.Struct, frozen=True):
    """What is known of a finished series.

    Attributes
    ----------
    fingerprint
        Of everything that its scores depend on.
    rows, judged_rows, alarm_rows
        Rows of the file; those with a score; those with an alarm.
    signals
        Columns that were judged.
    out_of_order, duplicates, conflicts
        As in `Ordered`.
    unfitted
        Why a detector could not be fitted, by `<signal>:<detector>` (0: all signals together).
    fits, fit_s, judge_s, model_bytes
        What it took; seconds of one core's time.
    peak_mb
        Most memory that the process has held so far, in 10^6 bytes.
    """

    fingerprint: str
    rows: int
    judged_rows: int
    alarm_rows: int
    signals: int
    out_of_order: int
    duplicates: int
    conflicts: int
    unfitted: dict[str, str]
    fits: int
    fit_s: float
    judge_s: float
    model_bytes: int
    peak_mb: float


def finished(task: SeriesTask) -> SeriesRecord | None:
    """Return the record of a series that is done already with the same code, settings and data; None if it is not."""
    try:
        record = msgspec.json.decode(task.record_path.read_bytes(), type=SeriesRecord)
    except (OSError, msgspec.DecodeError):
        return None
    return record if task.scores_path.exists() and record.fingerprint == fingerprint(task) else None


def evaluate_series(task: SeriesTask, report: Callable[[Rows], None]) -> SeriesRecord:
    """Judge one series and write its scores, then its record; either is there whole or not at all.

    Parameters
    ----------
    report
        Told how many rows are to be judged, and then of those that have been.

    Raises
    ------
    InputFileError
        If the file is missing or a row of it cannot be read.
    """
    table = read_table(task.dataset.path_of(task.name))
    ordered = in_time_order(table)
    history_rows = int(np.searchsorted(ordered.times, np.datetime64(task.until), side="right"))
    step_s = task.dataset.interval_s or _usual_step_s(ordered.times[:history_rows])
    rows = Window(ordered.times, ordered.values, table.metrics, step_s, task.dataset.calendar)
    report(Rows(begun=len(rows) - history_rows, judged=0))
    with threadpool_limits(1):
        found = _walk_assets(task, rows, history_rows, report)
    write_whole(task.scores_path, _as_csv(table, ordered, found).encode())
    record = _record(task, table, ordered, found)
    write_whole(task.record_path, msgspec.json.format(msgspec.json.encode(record)))
    return record


def _walk_assets(task: SeriesTask, rows: Window, history_rows: int, report: Callable[[Rows], None]) -> Walked:
    """Walk over the signals as one asset if they belong together, else over each by itself."""
    if task.dataset.grouped or len(rows.metrics) == 1:
        return _walk(task, rows, history_rows, lambda judged: report(Rows(0, judged)))
    walks = [_walk(task, rows.column(index), history_rows, lambda _: None) for index in range(len(rows.metrics))]
    report(Rows(0, len(rows) - history_rows))
    return side_by_side(walks)


def _walk(task: SeriesTask, asset: Window, history_rows: int, on_rows: Callable[[int], None]) -> Walked:
    open_below = opening_p_value(task.budget, asset.step_s)
    return walk(asset, history_rows, open_below, task.settings, time.process_time, on_rows)


def _usual_step_s(times: NDArray[np.datetime64]) -> float:
    """Return the median distance of the history's rows, in seconds: later rows must not tell."""
    if len(times) < 2:  # noqa: PLR2004 - one row has no distance
        return _UNKNOWN_INTERVAL_S
    return float(np.median(np.diff(times) / np.timedelta64(1, "s")))


def _as_csv(table: Table, ordered: Ordered, found: Walked) -> str:
    """Return one line per row of the file, in its order, under its own stamps."""
    lines = [HEADER]
    for stamp, row in zip(table.stamps, ordered.place.tolist(), strict=True):
        score = found.scores[row]
        lines.append(f"{stamp},{'' if np.isnan(score) else f'{score:.8g}'},{int(found.alarms[row])}\n")
    return "".join(lines)


def _record(task: SeriesTask, table: Table, ordered: Ordered, found: Walked) -> SeriesRecord:
    return SeriesRecord(
        fingerprint=fingerprint(task),
        rows=len(table.stamps),
        judged_rows=int((~np.isnan(found.scores[ordered.place])).sum()),
        alarm_rows=int(found.alarms[ordered.place].sum()),
        signals=len(table.metrics),
        out_of_order=ordered.out_of_order,
        duplicates=ordered.duplicates,
        conflicts=ordered.conflicts,
        unfitted=found.unfitted,
        fits=found.cost.fits,
        fit_s=round(found.cost.fit_s, 4),
        judge_s=round(found.cost.judge_s, 4),
        model_bytes=found.cost.model_bytes,
        peak_mb=round(_peak_bytes() / _MEGABYTE, 1),
    )


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kibibytes, macOS in bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, whenever the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def fingerprint(task: SeriesTask) -> str:
    """Return a digest of all that a series' scores depend on: its rows, what is said of them, settings and code.

    Labels are part of the file, so other labels make it another file; that costs time and nothing else.
    """
    digest = hashlib.sha256()
    path = task.dataset.path_of(task.name)
    digest.update(path.read_bytes() if path.exists() else b"")
    said = (
        task.dataset.train_until[task.name].isoformat(),
        task.dataset.interval_s,
        task.dataset.grouped,
        task.dataset.calendar.time_zone,
        task.dataset.calendar.country,
        task.budget,
        task.settings.model_dump(mode="json"),
    )
    digest.update(msgspec.json.encode(said))
    digest.update(_code_digest().encode())
    return digest.hexdigest()


@cache
def _code_digest() -> str:
    """Return a digest of the code that judges, and of the libraries that it stands on."""
    digest = hashlib.sha256()
    for package in (core, detectors, engine):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(path.read_bytes())
    for library in ("numpy", "pandas", "prophet", "pyod", "scikit-learn", "scipy"):
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()
