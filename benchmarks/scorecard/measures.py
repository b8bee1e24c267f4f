"""Which measures the page shows, of which set, and what they mean."""

from collections.abc import Sequence

from benchmarks.scorecard.labelled import LabelledSet
from benchmarks.scorecard.others import Published
from benchmarks.scorecard.outcome import LIVE, Outcome
from benchmarks.scorecard.tables import Column, Row, plain

ALWAYS = (
    Column("auc", "AUC", "how often a labelled row scores higher than another one; .5 is chance, high is good."),
    Column("ap", "average precision", "precision over all thresholds, weighted by recall; high is good."),
    Column("vus_pr", "VUS-PR", "average precision that forgives small shifts in time; high is good."),
    Column("f1_best", "best F1", "F1 of single rows at the threshold that the labels make look best; high is good."),
    Column("f1_default", "F1 of alarms", "F1 of single rows, with the alarms that were given; high is good."),
    Column("far_pct", "false alarm rate, %", "share of the normal rows with an alarm; low is good.", 2, False),
    Column(
        "event_recall_half", "events found by half", "share of the events with an alarm by their middle; high is good."
    ),
    Column(
        "false_alarms_per_week",
        "false alarms per week",
        "stretches of alarm that meet no event, per series (or group) and week; low is good.",
        3,
        False,
    ),
)
GROUPED_WATER = Column(
    "S", "S", "BATADAL's score: how early events are found and how rows are told apart; .25 is silence, high is good."
)
NAB = (
    Column(
        "nab_standard",
        "NAB",
        "Numenta's score: 100 is every event at its first row and no false alarm, 0 is no alarm; high is good.",
        1,
    ),
    Column("nab_low_fp", "NAB, few false alarms", "the same, false alarms weighing double; high is good.", 1),
    Column("nab_low_fn", "NAB, few misses", "the same, missed events weighing double; high is good.", 1),
)
JUDGED = Column("judged_share", "judged, %", "share of the rows that got a score at all; high is good.", 1, True, 100.0)

ALL = (*ALWAYS, GROUPED_WATER, *NAB, JUDGED)
"""Every measure, in the order of the columns."""


def columns_of(labelled: LabelledSet) -> list[Column]:
    """Return the measures that matter for a set."""
    columns = [*ALWAYS]
    if labelled.grouped and labelled.domain == "water":
        columns.append(GROUPED_WATER)
    if labelled.interval_s is None:
        columns.extend(NAB)
    return [*columns, JUDGED]


def rows_of(outcomes: Sequence[Outcome], published: Sequence[Published]) -> list[Row]:
    """Return the rows of a set's table: ours in the order given, then those of others in italics."""
    return [*(_ours(outcome) for outcome in outcomes), *(_theirs(one) for one in published)]


def name_of(detector: str) -> str:
    """Return how a detector is written on the page."""
    return "default combination ◆" if detector == LIVE else f"`{detector}`"


def _ours(outcome: Outcome) -> Row:
    name = name_of(outcome.detector)
    if outcome.summary is None:
        return Row(name, {}, f"failed: {plain(outcome.failure)}")
    if not outcome.judged_share:
        return Row(name, {}, "judged nothing")
    measures = outcome.summary.measures
    return Row(name, measures, may_be_lowest=bool(measures.get("event_recall")))


def _theirs(published: Published) -> Row:
    return Row(f"*{plain(published.method)}*", published.measures, compared=published.like_for_like)
