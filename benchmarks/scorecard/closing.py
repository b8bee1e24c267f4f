"""The live combination beside the best detector alone and the best of others: numbers only."""

from collections.abc import Sequence

from benchmarks.scorecard.labelled import LabelledSet
from benchmarks.scorecard.measures import ALL, name_of
from benchmarks.scorecard.others import Published, published_of
from benchmarks.scorecard.outcome import LIVE, Outcome
from benchmarks.scorecard.tables import NOTHING, Column, plain, table

_HEADINGS = (
    "set", "measure", "default", "best alone", "best of others", "false alarms per week", "allowed by the budget",
)  # fmt: skip
_PREFERRED = ("nab_standard", "vus_pr", "f1_best")
"""The measure that is shown is the first of these that others published, or else VUS-PR."""

_BY_KEY = {column.key: column for column in ALL}


def closing_table(sets: Sequence[LabelledSet], outcomes: Sequence[Outcome]) -> list[str]:
    """Return one row per set on which the live combination was run."""
    rows: list[list[str]] = []
    for labelled in sets:
        mine = [one for one in outcomes if one.set_name == labelled.name]
        alone = [one for one in mine if one.detector != LIVE]
        rows.extend(_row(labelled, one, alone) for one in mine if one.detector == LIVE and one.summary)
    return table(_HEADINGS, rows, words=(0, 1)) if rows else []


def _row(labelled: LabelledSet, live: Outcome, alone: Sequence[Outcome]) -> list[str]:
    others = [one for one in published_of(labelled.name, labelled.others) if one.like_for_like]
    column = _measure(others)
    false_alarms = _BY_KEY["false_alarms_per_week"]
    return [
        labelled.name,
        column.heading,
        column.shown(_value(live, column.key)),
        _best(column, [(name_of(one.detector), _value(one, column.key)) for one in alone if one.judged_share]),
        _best(column, [(plain(one.method), one.measures.get(column.key)) for one in others]),
        false_alarms.shown(_value(live, false_alarms.key)),
        false_alarms.shown(live.allowed_per_week),
    ]


def _measure(others: Sequence[Published]) -> Column:
    published = {key for one in others for key in one.measures}
    return _BY_KEY[next((key for key in _PREFERRED if key in published), "vus_pr")]


def _value(outcome: Outcome, key: str) -> float | None:
    return outcome.summary.measures.get(key) if outcome.summary else None


def _best(column: Column, named: Sequence[tuple[str, float | None]]) -> str:
    known = [(value, name) for name, value in named if value is not None]
    if not known:
        return NOTHING
    value, name = max(known, key=lambda pair: pair[0])
    return f"{column.shown(value)} ({name})"
