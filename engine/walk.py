"""Walks over recorded rows of one asset as the live loop would: learns, judges, marks, learns anew.

What it shares with the loop is all that decides: the models, their p-values, the share of the alert budget, the
hysteresis of anomalies, when a model is due and that it learns from no row in an anomaly. What it does without is
the store, the grid (rows are taken as they come, with their gaps and uneven steps) and late data (there is none).
"""

import math
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.settings import EngineSettings
from detectors.protocol import Window
from engine.asset_model import LOOKBACK_ROWS, AssetModel, FitTask, Judged, fit_asset
from engine.budget import CLOSE_BELOW, share_of_budget
from engine.episodes import Hysteresis
from engine.plan import detectors_of, refit_interval
from engine.subject import DetectorKey

_LEAST_NEW_ROWS = 32
_NEW_SHARE_OF_ROWS = 0.25
"""Where nothing could be fitted yet, it is tried again when there is a quarter more."""


class Cost(NamedTuple):
    """What a walk took.

    Attributes
    ----------
    fits
        Models fitted.
    fit_s, judge_s
        Seconds of the given timer.
    rows_judged
        Rows that a model was asked about.
    model_bytes
        Size of the last model, pickled; 0 without one.
    """

    fits: int
    fit_s: float
    judge_s: float
    rows_judged: int
    model_bytes: int


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk found; arrays have shape (n,), one entry per row.

    Attributes
    ----------
    scores
        Decades of rarity, -log10 of the combined p-value: high = abnormal, NaN = not judged.
    alarms
        True where an anomaly was open and the row itself was odd.
    unfitted
        Why a detector of the last model could not be fitted, by `<series>:<detector>`.
    """

    scores: NDArray[np.float64]
    alarms: NDArray[np.bool_]
    unfitted: dict[str, str]
    cost: Cost


def combined_p_values(judged: Sequence[Judged], rows: int) -> NDArray[np.float64]:
    """Return the p-value of the rarest of several judgements of each row, given how many there were.

    Parameters
    ----------
    judged
        Of the same `rows` rows.

    Returns
    -------
    Shape (rows,), in (0, 1]; NaN where nobody judged.

    Source: Šidák (1967), doi:10.1080/01621459.1967.10482935; conservative where judgements hang together.
    """
    if not judged:
        return np.full(rows, np.nan)
    p_values = np.vstack([one.p_values for one in judged])
    count = (~np.isnan(p_values)).sum(axis=0)
    smallest = np.where(count > 0, np.nanmin(np.where(np.isnan(p_values), 2.0, p_values), axis=0), np.nan)
    with np.errstate(divide="ignore"):
        # The difference to 1 is what counts, far below what 1 - p could tell apart.
        combined: NDArray[np.float64] = np.clip(-np.expm1(count * np.log1p(-smallest)), 1e-300, 1.0)
    return combined


def walk(
    rows: Window,
    history_rows: int,
    open_below: float,
    settings: EngineSettings,
    timer: Callable[[], float],
    on_rows: Callable[[int], None] = lambda _: None,
) -> Walked:
    """Judge every row after the history, each by what came before it.

    Parameters
    ----------
    rows
        Shape (n, k): all signals of one asset.
    history_rows
        How many of the first rows are history, which is learnt from and not judged.
    open_below
        P-value below which an anomaly opens if one detector judges a series (`engine.budget`).
    settings
        Who judges, how much of the past is learnt from, and when a model is due.
    timer
        Seconds that pass, for the account of what it took.
    on_rows
        Told how many rows are done each time some are.

    Raises
    ------
    SettingsError
        If a detector is wanted that there is none of.
    """
    return _Walk(rows, open_below, settings, detectors_of(settings), timer, on_rows).run(history_rows)


def side_by_side(walks: Sequence[Walked]) -> Walked:
    """Return what walks over the signals of one file, each an asset of its own, have found together.

    Parameters
    ----------
    walks
        At least one, over the same times; `unfitted` is keyed by `<number of the walk>.<series>:<detector>`.
    """
    judged = [Judged(0, "", walked.scores, 10.0**-walked.scores) for walked in walks]
    costs = [walked.cost for walked in walks]
    return Walked(
        _decades(combined_p_values(judged, len(walks[0].scores))),
        np.logical_or.reduce([walked.alarms for walked in walks]),
        {f"{number}.{key}": why for number, walked in enumerate(walks, 1) for key, why in walked.unfitted.items()},
        Cost(
            sum(cost.fits for cost in costs),
            sum(cost.fit_s for cost in costs),
            sum(cost.judge_s for cost in costs),
            costs[0].rows_judged,
            sum(cost.model_bytes for cost in costs),
        ),
    )


def _decades(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    # Adding zero turns the negative zero of a p-value of 1 into a plain one.
    return -np.log10(p_values) + 0.0


@dataclass(slots=True)
class _Walk:
    rows: Window
    open_below: float
    settings: EngineSettings
    detectors: tuple[str, ...]
    timer: Callable[[], float]
    on_rows: Callable[[int], None]
    model: AssetModel | None = None
    fits: int = 0
    fit_s: float = 0.0
    judge_s: float = 0.0
    rows_judged: int = 0
    open: dict[DetectorKey, Hysteresis] = field(default_factory=dict)
    scores: NDArray[np.float64] = field(init=False)
    alarms: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.scores = np.full(len(self.rows), np.nan)
        self.alarms = np.zeros(len(self.rows), dtype=np.bool_)

    def run(self, history_rows: int) -> Walked:
        row = history_rows
        while row < len(self.rows):
            self._learn(row)
            stop = self._next_fit(row)
            self._judge(row, stop)
            self.on_rows(stop - row)
            row = stop
        unfitted = dict(self.model.unfitted) if self.model else {}
        size = len(pickle.dumps(self.model)) if self.model else 0
        cost = Cost(self.fits, self.fit_s, self.judge_s, self.rows_judged, size)
        return Walked(self.scores, self.alarms, unfitted, cost)

    def _learn(self, row: int) -> None:
        """Fit a model on the rows before one; keep the old one where the new one could judge less."""
        times = self.rows.times
        if row == 0:
            return
        # So much of what was measured, not of the calendar: after a year's silence the past is still what is known.
        reach = timedelta(days=self.settings.history_days).total_seconds() / self.rows.step_s
        first = max(row - math.ceil(reach), 0)
        values = self.rows.values[first:row].copy()
        values[self.alarms[first:row]] = np.nan
        known = np.flatnonzero(~np.isnan(values).all(axis=1))
        if not known.size:
            return
        history = Window(times[first:row], values, self.rows.metrics, self.rows.step_s, self.rows.calendar)
        started_s = self.timer()
        numbers = tuple(range(1, len(self.rows.metrics) + 1))
        task = FitTask(0, numbers, history.rows(int(known[0]), row - first), _EPOCH, self.settings.seed, self.detectors)
        model = fit_asset(task)
        self.fit_s += self.timer() - started_s
        self.fits += 1
        held = 0 if self.model is None else self.model.judgements_per_row
        if model.judgements_per_row and model.judgements_per_row >= held:
            self.model = model

    def _next_fit(self, row: int) -> int:
        """Return the row before which the next fit is due, after `row`; the number of rows if none is."""
        if self.model is None:
            return min(row + max(_LEAST_NEW_ROWS, int(row * _NEW_SHARE_OF_ROWS)), len(self.rows))
        span = self.model.trained_until - self.model.trained_from
        due = self.rows.times[row - 1] + np.timedelta64(refit_interval(span, self.settings))
        return max(int(np.searchsorted(self.rows.times, due, side="right")), row + 1)

    def _judge(self, start: int, stop: int) -> None:
        if self.model is None:
            return
        started_s = self.timer()
        context = max(start - LOOKBACK_ROWS, 0)
        judged = self.model.judge(self.rows.rows(context, stop))
        mine = [one.from_row(start - context) for one in judged]
        self.scores[start:stop] = _decades(combined_p_values(mine, stop - start))
        threshold = share_of_budget(self.open_below, len(self.rows.metrics), self.model.judgements_per_row)
        for one in mine:
            hysteresis = self.open.setdefault((one.series_id, one.detector), Hysteresis())
            self.alarms[start:stop] |= odd_while_open(hysteresis, one.p_values, threshold)
        self.judge_s += self.timer() - started_s
        self.rows_judged += stop - start


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for the processing time, which a walk has none of."""


def odd_while_open(hysteresis: Hysteresis, p_values: NDArray[np.float64], open_below: float) -> NDArray[np.bool_]:
    """Return which rows are odd while an anomaly is open, each judged by the rows up to it; moves the hysteresis on."""
    found = np.zeros(len(p_values), dtype=np.bool_)
    if not hysteresis.is_open and not (p_values < open_below).any():
        return found
    for row in np.flatnonzero(~np.isnan(p_values)).tolist():
        odd = bool(p_values[row] < CLOSE_BELOW)
        hysteresis.step(row, bool(p_values[row] < open_below), odd)
        found[row] = odd and hysteresis.is_open
    return found
