"""Signals and faults that each registered detector is made for, and what it has learnt of them."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from core.calendar import DAY_S, Calendar
from detectors.protocol import Detector, FittedDetector, Scope, Window
from detectors.registry import DETECTORS

NAN = float("nan")
SEED = 4
UTC = Calendar("UTC")
FloatArray = NDArray[np.float64]

STEP_S = 300
DAY = 288
"""Rows a day at the usual step."""

HISTORY = 5 * DAY
RECENT = 2 * DAY
FIRST, LAST = DAY, DAY + 100
"""Rows of the recent ones that a fault lasts."""

_BY_THE_WEEK = {"slot_median", "slot_neighbours"}
"""They need each day of the week a few times: four weeks of quarters of an hour."""


def window(values: FloatArray, first: int = 0, calendar: Calendar = UTC, step_s: int = STEP_S) -> Window:
    times = np.datetime64("2026-03-02T00:05", "us") + (first + np.arange(len(values))) * np.timedelta64(step_s, "s")
    return Window(times, values, tuple(f"m{n}" for n in range(values.shape[1])), float(step_s), calendar)


def with_values(of: Window, values: FloatArray) -> Window:
    return replace(of, values=values)


def noise(name: str, rows: int) -> FloatArray:
    return np.random.default_rng(len(name)).normal(0.0, 1.0, (rows, 4))


def signal(name: str, rows: int, step_s: int = STEP_S, columns: int = 1) -> FloatArray:
    """Return what a detector is made for: a rhythm, or the deviations of signals that move together."""
    drawn = noise(name, rows)
    if name == "group_pca":
        together = drawn[:, :1]
        return np.asarray(0.3 * together + 0.1 * drawn[:, 1:], dtype=np.float64)
    phase = 2 * np.pi * np.arange(rows)[:, None] * step_s / DAY_S
    # To a spectral residual a slow rhythm is a window whose ends do not meet.
    size = 0.0 if name == "spectral_residual" else 10.0
    values = 50.0 + size * np.sin(phase + np.arange(columns)) + 0.5 * drawn[:, :columns]
    # Rounding makes short runs, which are what a flat line is told from.
    return np.asarray(np.round(values, 1), dtype=np.float64)


def fault(name: str, recent: FloatArray, first: int = FIRST, last: int = LAST) -> FloatArray:
    """Return the recent values with the fault that a detector is made for."""
    broken = recent.copy()
    if name == "flat_line":
        broken[first:last] = broken[first]
    elif name == "group_pca":
        broken[first:last, 0] = -broken[first:last, 0] - 1.0
    elif name == "matrix_profile":
        broken[first:last, 0] += 8.0 * np.sin(2 * np.pi * np.arange(last - first) / 12)
    elif name in {"windowed_gaussian", "spectral_residual"}:
        broken[first:last:25] += 40.0
    else:
        broken[first:last] += 8.0
    return broken


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    detector: Detector
    history: Window
    recent: Window
    fitted: FittedDetector


@cache
def case_of(name: str) -> Case:
    detector = DETECTORS[name](SEED)
    step_s, history_rows = (900, 28 * DAY_S // 900) if name in _BY_THE_WEEK else (STEP_S, HISTORY)
    values = signal(name, history_rows + RECENT, step_s, columns=2 if detector.scope is Scope.ASSET else 1)
    whole = window(values, step_s=step_s)
    history = whole.rows(0, history_rows)
    return Case(name, detector, history, whole.rows(history_rows, len(whole)), detector.fit(history))
