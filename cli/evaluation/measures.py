"""Measures of detection on labelled series: of ranking, of alarms, of events.

Where a measure is not defined it is left out, never 0: most need rows of both kinds, labelled and not. Rows that were
not judged count as the least abnormal of their series, so that a detector gains nothing by keeping silent in an
event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
)

from cli.evaluation.nab import nab_scores
from cli.evaluation.runs import runs_of
from cli.evaluation.vus import vus_pr, window_length

_WEEK_S = 604_800.0


@dataclass(frozen=True, slots=True)
class JudgedSeries:
    """The scored part of a labelled series: its rows after the time until which it may be learned from.

    Attributes
    ----------
    labels
        int8, shape (n,): 1 = inside an event, else 0.
    scores
        float64, shape (n,): high = abnormal, NaN = not judged.
    alarms
        Shape (n,), bool or 0/1: whether an alarm was on.
    values
        float64, shape (n,): first metric of the series, in its unit, gaps filled (`without_gaps`, over the whole
        column); only its period is used.
    seconds
        Time from the first to the last row.
    """

    labels: NDArray[np.int8]
    scores: NDArray[np.float64]
    alarms: NDArray[np.bool_] | NDArray[np.integer]
    values: NDArray[np.float64]
    seconds: float

    def __post_init__(self) -> None:
        sizes = {array.shape for array in (self.labels, self.scores, self.alarms, self.values)}
        if sizes != {(self.labels.size,)}:
            raise ValueError(f"labels, scores, alarms and values must be columns of equal length, not {sizes}")


def measures_of(series: JudgedSeries) -> dict[str, float]:
    """Measure the detection on one series.

    Returns
    -------
    Always `false_alarms_per_week` (stretches of alarm that meet no event), and where there are rows `judged_share`.
    Where some but not all rows are labelled also `auc` (area under the receiver operating characteristic), `ap`
    (average precision), `p_best`, `r_best` and `f1_best` (precision, recall and F1 at the threshold with the highest
    F1, which only the labels tell), `vus_pr` (see `cli.evaluation.vus`), and of the alarms `f1_default`, `far_pct`
    (% of the rows outside events), `event_recall`, `event_recall_half` (share of events with an alarm, by their
    middle) and `S`.
    """
    measures = {"false_alarms_per_week": _false_alarms(series) / max(series.seconds / _WEEK_S, 1e-9)}
    if series.labels.size:
        measures["judged_share"] = 1.0 - float(np.isnan(series.scores).mean())
    if not 0 < np.count_nonzero(series.labels) < series.labels.size:
        return measures
    return measures | _of_ranking(series) | _of_alarms(series)


def measures_of_set(
    series: Sequence[JudgedSeries], measured: Sequence[Mapping[str, float]] | None = None
) -> dict[str, float]:
    """Measure the detection on a set of series.

    Parameters
    ----------
    series
        All series of the set.
    measured
        What `measures_of` said of each, where that is known already.

    Returns
    -------
    Mean of each measure over the series that have it, but `f1_best` from mean precision and recall; and `nab_standard`,
    `nab_low_fp`, `nab_low_fn` (see `cli.evaluation.nab`) of all series with one common threshold.
    """
    each = [measures_of(one) for one in series] if measured is None else measured
    names = dict.fromkeys(name for one in each for name in one)
    measures = {name: float(np.mean([one[name] for one in each if name in one])) for name in names}
    if "f1_best" in measures:
        precision, recall = measures["p_best"], measures["r_best"]
        measures["f1_best"] = 2.0 * precision * recall / (precision + recall)
    nab = nab_scores([(one.labels, _ranking(one.scores)) for one in series])
    return measures | {f"nab_{name}": score for name, score in nab.items() if not np.isnan(score)}


def without_gaps(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a column of shape (n,) with straight lines over its NaN, level before its first and after its last value.

    A column of NaN only comes back as it is.
    """
    known = np.flatnonzero(~np.isnan(column))
    return np.interp(np.arange(column.size), known, column[known]) if known.size else column


def _ranking(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores, shape (n,), all finite, in which rows not judged lie below every other."""
    finite = scores[np.isfinite(scores)]
    # Never above -1: over several series too, a row not judged then stays below the scores of those that only score
    # from 0 upwards.
    bottom, top = finite.min(initial=0.0) - 1.0, finite.max(initial=0.0) + 1.0
    return np.where(np.isposinf(scores), top, np.where(np.isfinite(scores), scores, bottom))


def _of_ranking(series: JudgedSeries) -> dict[str, float]:
    """Measure how well scores order rows; no threshold of ours plays a part."""
    scores = _ranking(series.scores)
    precision, recall, _ = precision_recall_curve(series.labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(np.argmax(f1))
    # What rounds to the same number here is a tie in the measure; published figures have it so.
    scaled = (scores - scores.min()) / (np.ptp(scores) + 1e-12)
    return {
        "auc": float(roc_auc_score(series.labels, scores)),
        "ap": float(average_precision_score(series.labels, scores)),
        "p_best": float(precision[best]),
        "r_best": float(recall[best]),
        "f1_best": float(f1[best]),
        "vus_pr": vus_pr(series.labels, scaled, window_length(series.values)),
    }


def _of_alarms(series: JudgedSeries) -> dict[str, float]:
    """Measure alarms by row and by event.

    `S` is that of the Battle of the Attack Detection Algorithms: half for finding events early, half for the mean of
    the rates of right rows inside and outside events; Taormina et al. (2018),
    doi:10.1061/(ASCE)WR.1943-5452.0000969.
    """
    abnormal, alarms = series.labels.astype(np.bool_), series.alarms.astype(np.bool_)
    true, false = np.count_nonzero(abnormal & alarms), np.count_nonzero(alarms & ~abnormal)
    events, others = np.count_nonzero(abnormal), np.count_nonzero(~abnormal)
    starts, stops = runs_of(abnormal)
    delays, lengths = _delays(alarms, starts, stops), stops - starts
    found = ~np.isnan(delays)
    in_time = 1.0 - float(np.where(found, delays / lengths, 1.0).mean())
    return {
        "f1_default": 2 * true / (events + true + false),
        "far_pct": 100 * false / others,
        "event_recall": float(found.mean()),
        "event_recall_half": float((delays <= lengths / 2).mean()),
        "S": 0.5 * in_time + 0.25 * (true / events + 1.0 - false / others),
    }


def _delays(alarms: NDArray[np.bool_], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return rows from each event's start to the first alarm in it; NaN for an event without; shape (events,)."""
    rows = np.append(np.flatnonzero(alarms), alarms.size)
    first = rows[np.searchsorted(rows, starts)]
    return np.where(first < stops, first - starts, np.nan)


def _false_alarms(series: JudgedSeries) -> int:
    """Count the stretches of alarm that meet no event."""
    starts, stops = runs_of(series.alarms)
    labelled_before = np.append(0, np.cumsum(series.labels, dtype=np.int64))
    return int(np.count_nonzero(labelled_before[stops] == labelled_before[starts]))
