"""Stretches of a judged series worth showing: an event that was found, one that was missed, an alarm over nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.scorecard.labelled import LabelledSet
from cli.evaluation.runs import runs_of


class Kind(StrEnum):
    """What a stretch shows."""

    FIND = "find"
    MISS = "miss"
    FALSE_ALARM = "false alarm"


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRows:
    """A series with labels and judgements, in order of time.

    Attributes
    ----------
    labelled
        The set.
    series
        Name of the series.
    times
        datetime64[us], shape (n,).
    metrics
        Names of the k signals.
    values
        Shape (n, k), in the signals' units; NaN where there is none.
    labels, alarms
        Shape (n,), bool.
    scores
        Shape (n,), decades of rarity; NaN where not judged.
    first
        First row that was judged; those before are history.
    alarms_near
        Score near which alarms begin.
    faults
        Shape (n,): kind of fault as the labels have it, or empty; None where they have no kinds.
    """

    labelled: LabelledSet
    series: str
    times: NDArray[np.datetime64]
    metrics: tuple[str, ...]
    values: NDArray[np.float64]
    labels: NDArray[np.bool_]
    scores: NDArray[np.float64]
    alarms: NDArray[np.bool_]
    first: int
    alarms_near: float
    faults: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """A stretch of rows.

    Attributes
    ----------
    kind
        What it shows.
    rows
        The series that it is part of.
    start, stop
        First row, and the one behind its last.
    """

    kind: Kind
    rows: JudgedRows
    start: int
    stop: int

    @property
    def begins(self) -> pd.Timestamp:
        """Time of its first row."""
        return pd.Timestamp(self.rows.times[self.start])

    @property
    def ends(self) -> pd.Timestamp:
        """Time of its last row."""
        return pd.Timestamp(self.rows.times[self.stop - 1])

    @property
    def length(self) -> pd.Timedelta:
        """From its first row to its last, and a usual step more."""
        steps = np.diff(self.rows.times[max(self.start - 1, 0) : self.stop + 1])
        return self.ends - self.begins + (pd.Timedelta(np.median(steps)) if len(steps) else pd.Timedelta(0))

    @property
    def delay(self) -> pd.Timedelta | None:
        """From its first row to the first alarm in it; None if there is none."""
        alarms = np.flatnonzero(self.rows.alarms[self.start : self.stop])
        return pd.Timestamp(self.rows.times[self.start + alarms[0]]) - self.begins if len(alarms) else None

    @property
    def highest(self) -> float | None:
        """Highest score in it; None if no row was judged."""
        scores = self.rows.scores[self.start : self.stop]
        return float(np.nanmax(scores)) if not np.isnan(scores).all() else None

    @property
    def fault(self) -> str:
        """Kind of fault, in words; empty where labels have none."""
        named = [fault for fault in (self.rows.faults or ())[self.start : self.stop] if fault]
        return max(sorted(set(named)), key=named.count).replace("_", " ") if named else ""


def spans_of(rows: JudgedRows) -> list[Span]:
    """Return every event and every false alarm among the judged rows."""
    labels, alarms = rows.labels[rows.first :], rows.alarms[rows.first :]
    spans = []
    for start, stop in _runs(labels):
        kind = Kind.FIND if alarms[start:stop].any() else Kind.MISS
        spans.append(Span(kind, rows, rows.first + start, rows.first + stop))
    for start, stop in _runs(alarms):
        if not labels[start:stop].any():
            spans.append(Span(Kind.FALSE_ALARM, rows, rows.first + start, rows.first + stop))
    return spans


def choose(spans: Sequence[Span]) -> dict[Kind, Span]:
    """Return for each kind the one to show: the find with the median delay, the longest miss, the worst false alarm.

    Of equals the first by set, series and time is taken, so that the same figures make the same pictures.
    """
    ordered = sorted(spans, key=lambda span: (span.rows.labelled.name, span.rows.series, span.start))
    finds = sorted((span for span in ordered if span.delay is not None and span.kind is Kind.FIND), key=_delay)
    misses = [span for span in ordered if span.kind is Kind.MISS]
    over_nothing = [span for span in ordered if span.kind is Kind.FALSE_ALARM]
    chosen = {}
    if finds:
        chosen[Kind.FIND] = finds[(len(finds) - 1) // 2]
    if misses:
        chosen[Kind.MISS] = max(misses, key=lambda span: span.length)
    if over_nothing:
        chosen[Kind.FALSE_ALARM] = max(over_nothing, key=lambda span: span.highest or 0.0)
    return chosen


def _delay(span: Span) -> pd.Timedelta:
    return span.delay or pd.Timedelta(0)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    starts, stops = runs_of(flags)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))
