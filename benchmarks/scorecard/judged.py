"""Reads the rows of a set together with what an evaluation wrote about them."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.scorecard.labelled import LabelledSet
from benchmarks.scorecard.spans import JudgedRows
from cli.evaluation.dataset import Dataset, read_dataset, read_table
from engine.budget import CLOSE_BELOW, opening_p_value

_FAULT = "fault"
_UNKNOWN_STEP_S = 300.0


def read_judged(labelled: LabelledSet, out: Path, budget: float) -> list[JudgedRows]:
    """Return all series of a set that have labels.

    Parameters
    ----------
    out
        Folder that the evaluation wrote to.
    budget
        False alerts allowed per 1,000 series per week.
    """
    dataset = read_dataset(labelled.folder)
    read = (_read(labelled, dataset, name, out, budget) for name in dataset.train_until)
    return [rows for rows in read if rows is not None]


def _read(labelled: LabelledSet, dataset: Dataset, name: str, out: Path, budget: float) -> JudgedRows | None:
    path = dataset.path_of(name)
    table = read_table(path)
    if table.labels is None or not len(table.times):
        return None
    written = pd.read_csv(out / f"{name}.csv")
    order = np.argsort(table.times, kind="stable")
    times = table.times[order]
    until = dataset.train_until[name].replace(tzinfo=None)
    first = int(np.searchsorted(times, np.datetime64(until), side="right"))
    return JudgedRows(
        labelled=labelled,
        series=name,
        times=times,
        metrics=table.metrics,
        values=table.values[order],
        labels=table.labels[order].astype(np.bool_),
        scores=written["score"].to_numpy(np.float64)[order],
        alarms=written["alarm"].to_numpy(np.bool_)[order],
        first=first,
        alarms_near=_alarms_near(dataset, times[:first], len(table.metrics), budget),
        faults=_faults(path, order.tolist()),
    )


def _alarms_near(dataset: Dataset, history: NDArray[np.datetime64], signals: int, budget: float) -> float:
    """Return the score near which an alarm begins: the budget of one judgement, of which each signal has one."""
    steps_s = np.diff(history) / np.timedelta64(1, "s")
    step_s = dataset.interval_s or (float(np.median(steps_s)) if len(steps_s) else _UNKNOWN_STEP_S)
    each = signals if dataset.grouped else 1
    return -math.log10(min(opening_p_value(budget, step_s) * each, CLOSE_BELOW))


def _faults(path: Path, order: list[int]) -> tuple[str, ...] | None:
    frame = pd.read_csv(path, usecols=lambda column: column == _FAULT, dtype=str, keep_default_na=False)
    return tuple(frame[_FAULT].iloc[order]) if _FAULT in frame else None
