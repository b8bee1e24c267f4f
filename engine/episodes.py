"""From p-values to stretches of time: an anomaly opens rarely, lasts while things are odd, and ends after a calm."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from core.anomaly import Anomaly
from store.judgements import StoredAnomaly

CALM_ROWS = 3
"""Judged rows in a row that must be normal before an anomaly counts as ended."""

BEFORE = -1
"""Stands for a row before the first one at hand."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of abnormal rows.

    Attributes
    ----------
    first, last
        Index of the first and the last abnormal row; `BEFORE` where that row lies before those at hand.
    ended
        Index of the first normal row after it, once a calm has followed; None while it lasts.
    """

    first: int
    last: int
    ended: int | None


def find_episodes(
    p_values: NDArray[np.float64], open_below: float, close_below: float, *, open_before: bool
) -> list[Episode]:
    """Find the abnormal stretches in a row of p-values, with hysteresis.

    Parameters
    ----------
    p_values
        Shape (n,); NaN = not judged: neither abnormal nor calm.
    open_below, close_below
        An episode needs one row below the first and lasts while rows are below the second; 0 < first <= second.
        It begins with the earliest of the odd rows that lead up to the one that opened it.
    open_before
        True when one was going on before the first row.

    Returns
    -------
    In order of time. Linear in n.
    """
    if not open_before and not (p_values < open_below).any():
        return []
    found: list[Episode] = []
    state = Hysteresis(open_before, BEFORE if open_before else None)
    for row in np.flatnonzero(~np.isnan(p_values)).tolist():
        ended = state.step(row, p_values[row] < open_below, p_values[row] < close_below)
        if ended is not None:
            found.append(ended)
    if state.is_open and state.first is not None:
        found.append(Episode(state.first, state.last, None))
    return found


@dataclass(slots=True)
class Hysteresis:
    """Whether an episode is going on, row by row: knows no later row than the last one that it was given.

    Attributes
    ----------
    is_open
        True from the row that opens an episode to the one that ends it.
    first, last
        Index of the first and the last odd row of the present stretch; `BEFORE` as in `Episode`, None for none.
    calm, calm_from
        How many normal rows in a row have followed, and the first of them.
    """

    is_open: bool = False
    first: int | None = None
    last: int = BEFORE
    calm: int = 0
    calm_from: int = 0

    def step(self, row: int, opens: bool, odd: bool) -> Episode | None:
        """Take one judged row in; return the episode that it ends, if it does."""
        if odd:
            self.first = row if self.first is None else self.first
            self.last, self.calm = row, 0
            self.is_open = self.is_open or opens
            return None
        self.calm_from = row if self.calm == 0 else self.calm_from
        self.calm += 1
        if not self.is_open:
            self.first = None
        elif self.calm >= CALM_ROWS and self.first is not None:
            ended = Episode(self.first, self.last, self.calm_from)
            self.is_open, self.first = False, None
            return ended
        return None


@dataclass(frozen=True, slots=True)
class Change:
    """What must be written: a new anomaly (no number) or a revised one."""

    anomaly_id: int | None
    anomaly: Anomaly


def reconcile(known: Sequence[StoredAnomaly], found: Sequence[Anomaly], window_start: datetime) -> list[Change]:
    """Compare what is recorded with what the present data says, for one detector on one subject.

    Parameters
    ----------
    known
        Recorded and not retracted, all of which may reach into the window.
    found
        What the window shows, in order of time. One that went on when the window began has the whole of it.
    window_start
        Event time before which the data is not looked at.

    Returns
    -------
    What to write; nothing for what has not changed. A recorded anomaly that began in the window and is not there
    any more is retracted, visibly.
    """
    # The earliest first: where late data joins two, the later one is taken back.
    unmatched = sorted(known, key=lambda k: k.anomaly.since)
    changes: list[Change] = []
    for anomaly in found:
        match = next((k for k in unmatched if _overlap(k.anomaly, anomaly)), None)
        if match is None:
            changes.append(Change(None, anomaly))
            continue
        unmatched.remove(match)
        revised = _revised(match.anomaly, anomaly)
        if revised != match.anomaly:
            changes.append(Change(match.anomaly_id, revised))
    gone = (k for k in unmatched if k.anomaly.since >= window_start)
    return changes + [Change(k.anomaly_id, replace(k.anomaly, retracted=True)) for k in gone]


def _overlap(one: Anomaly, other: Anomaly) -> bool:
    return one.since <= other.last_at and other.since <= one.last_at


def _revised(old: Anomaly, new: Anomaly) -> Anomaly:
    revised = replace(new, detected_at=old.detected_at, threshold=old.threshold)
    if new.p_value != old.p_value or new.model_version == old.model_version:
        return revised
    # The worst moment was judged by an older model: its record must go on saying what that model said.
    return replace(revised, score=old.score, evidence=old.evidence, model_version=old.model_version)
