"""What an evaluation found, in one file: measures, cost, and what could not be judged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from cli.evaluation.dataset import read_table
from cli.evaluation.measures import JudgedSeries, measures_of, measures_of_set, without_gaps
from cli.evaluation.series import SeriesRecord, SeriesTask, write_whole
from core.settings import EngineSettings

SUMMARY = "summary.json"
"""Name of the file, in the output's folder."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a set was evaluated.

    Attributes
    ----------
    settings, budget, processes
        As in `Options`.
    seconds
        Wall time of what was evaluated in this run.
    kept
        Series that an earlier run had left.
    """

    settings: EngineSettings
    budget: float
    processes: int
    seconds: float
    kept: int


class Measured(NamedTuple):
    """A series with its labels and scores, and how well they agree.

    Attributes
    ----------
    judged
        None where the file has no labels.
    measures
        By name.
    """

    name: str
    judged: JudgedSeries | None
    measures: dict[str, float]


def measure_series(task: SeriesTask) -> Measured:
    """Compare the scores that were written with the labels, on the rows after the history.

    Labels are read here and nowhere else.
    """
    table = read_table(task.dataset.path_of(task.name))
    if table.labels is None:
        return Measured(task.name, None, {})
    written = pd.read_csv(task.scores_path)
    scored = table.times > np.datetime64(task.until)
    times = table.times[scored]
    judged = JudgedSeries(
        labels=table.labels[scored],
        scores=written["score"].to_numpy(np.float64)[scored],
        alarms=written["alarm"].to_numpy(np.int8)[scored],
        values=without_gaps(table.values[:, 0])[scored],
        seconds=float((times[-1] - times[0]) / np.timedelta64(1, "s")) if len(times) else 0.0,
    )
    return Measured(task.name, judged, measures_of(judged) if len(times) else {})


def write_summary(out: Path, run: Run, records: Sequence[SeriesRecord], measured: Sequence[Measured]) -> Path:
    """Write the summary of a set; return its path."""
    labelled = [one for one in measured if one.judged is not None and len(one.judged.labels)]
    content = {
        "cityvigil": version("cityvigil"),
        "detectors": run.settings.detectors,
        "budget": run.budget,
        "measures": _finite(_of_set(labelled)) if labelled else {},
        "cost": _cost(run, records),
        "series": {
            one.name: _told(record) | {"measures": _finite(one.measures)}
            for one, record in zip(measured, records, strict=True)
        },
    }
    path = out / SUMMARY
    write_whole(path, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    return path


def _of_set(labelled: Sequence[Measured]) -> dict[str, float]:
    judged = [one.judged for one in labelled if one.judged is not None]
    return measures_of_set(judged, [one.measures for one in labelled])


def _cost(run: Run, records: Sequence[SeriesRecord]) -> dict[str, float | None]:
    """Return what it took; rates count one core's time, for series of earlier runs as they were recorded."""
    core_s = sum(record.fit_s + record.judge_s for record in records)
    rows = sum(record.rows for record in records)
    fits = sum(record.fits for record in records)
    return {
        "rows": rows,
        "rows_per_s_per_core": round(rows / core_s, 1) if core_s else None,
        "fits": fits,
        "fit_s": round(sum(record.fit_s for record in records), 2),
        "judge_s": round(sum(record.judge_s for record in records), 2),
        "model_bytes": max((record.model_bytes for record in records), default=0),
        "peak_mb": max((record.peak_mb for record in records), default=0.0),
        "processes": run.processes,
        "seconds": round(run.seconds, 2),
        "series_kept": run.kept,
    }


def _told(record: SeriesRecord) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(record)
    del told["fingerprint"]
    return told


def _finite(measures: dict[str, float]) -> dict[str, float | None]:
    """Return measures with null for what is not defined: JSON knows no NaN."""
    return {name: float(value) if math.isfinite(value) else None for name, value in measures.items()}
