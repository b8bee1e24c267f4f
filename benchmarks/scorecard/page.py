"""The page, from what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.scorecard.closing import closing_table
from benchmarks.scorecard.cost import LARGEST_SET, cost_table, unjudged_table
from benchmarks.scorecard.gallery import Picture, intro
from benchmarks.scorecard.labelled import LabelledSet
from benchmarks.scorecard.machine import Made, machine, versions
from benchmarks.scorecard.measures import ALL, columns_of, rows_of
from benchmarks.scorecard.others import SOURCES, published_of
from benchmarks.scorecard.outcome import LIVE, Outcome
from benchmarks.scorecard.reading import BEGIN, END
from benchmarks.scorecard.tables import measures_table, plain

_WHAT = (
    "How well each detector alone, and the combination that runs live (◆), tells abnormal from normal on labelled data "
    "of other people and of our own simulation. Made by `make scorecard`: for each set and each detector it runs "
    "`cityvigil evaluate`, which judges row by row through the live detection path, each row by what came before it, "
    "with one configuration for all sets. Nothing but the block between the two marks is written by hand."
)
_THRESHOLDS = (
    "The threshold of the best F1 is chosen on the labels themselves, as is usual in published figures, and so is "
    "that of NAB's score; nobody has such a threshold in service. F1 of alarms, the false alarm rate, events found, S "
    "and false alarms per week are those of the alarms that the alert budget of {budget:g} false alerts per 1,000 "
    "series and week lets through, and no label plays a part in them. Rows that were not judged count as the least "
    "abnormal. Measures of a set are means over its series; best F1 is that of mean precision and recall."
)
_OTHERS = (
    "Rows in italics are others' figures on the same data, as published or as given with the data, each in the column "
    "of our measure of that name. Others' F1 stands under best F1, even where their threshold was not chosen "
    "on the labels. A part of the data in brackets, or in the set's notes, may differ from the rows here. The best of "
    "each column is bold; a detector that finds no event does not win by giving no false alarm."
)


@dataclass(frozen=True, slots=True)
class Measured:
    """All that the page is made from.

    Attributes
    ----------
    made
        When, and from which code.
    sets
        In the order of the page.
    outcomes
        Of every set and detector, in the order of the rows.
    pictures
        One per domain.
    pictured
        Detector whose judgements the pictures show.
    remarks
        What else a reader must know of the making, such as what was left out; sentences.
    """

    made: Made
    sets: Sequence[LabelledSet]
    outcomes: Sequence[Outcome]
    pictures: Sequence[Picture]
    pictured: str
    remarks: Sequence[str] = ()


def page(measured: Measured, reading: str) -> str:
    """Return the page's text.

    Parameters
    ----------
    reading
        What stands between its marks.
    """
    lines = ["# Scorecard", "", _WHAT, "", f"{BEGIN}{reading}{END}", ""]
    lines += [*_how(measured), *_meanings(_budget(measured.outcomes))]
    lines += ["## Sets", ""]
    for labelled in measured.sets:
        lines += _set(labelled, [one for one in measured.outcomes if one.set_name == labelled.name])
    lines += [*_cost(measured.outcomes), *_unjudged(measured.outcomes), *_pictures(measured), *_closing(measured)]
    return "\n".join(lines).rstrip() + "\n"


def _how(measured: Measured) -> list[str]:
    minutes = sum(outcome.seconds for outcome in measured.outcomes) / 60.0
    sets = "1 set" if len(measured.sets) == 1 else f"{len(measured.sets)} sets"
    lines = [
        "## How it was made",
        "",
        f"- {measured.made.at:%Y-%m-%d %H:%M} UTC, {measured.made.code}.",
        f"- {machine()}; {versions()}.",
        f"- {sets}, {len(measured.outcomes)} evaluations, one after the other: {minutes:,.1f} minutes in all.",
    ]
    return [*lines, *(f"- {remark}" for remark in measured.remarks), ""]


def _meanings(budget: float) -> list[str]:
    meanings = [f"- **{column.heading}** (`{column.key}`): {column.meaning}" for column in ALL]
    return ["## Measures", "", *meanings, "", _THRESHOLDS.format(budget=budget), "", _OTHERS, ""]


def _budget(outcomes: Sequence[Outcome]) -> float:
    return next((outcome.summary.budget for outcome in outcomes if outcome.summary), 0.0)


def _set(labelled: LabelledSet, outcomes: Sequence[Outcome]) -> list[str]:
    every = f"a row every {labelled.interval_s:g} s" if labelled.interval_s else "rows at uneven times"
    together = ", signals of a series judged together" if labelled.grouped else ""
    facts = (
        f"{labelled.domain.capitalize()}: {labelled.series} series, {every}{together}; {labelled.points:,} rows, "
        f"{labelled.labelled_points:,} of them labelled. Origin: {plain(labelled.origin)}. "
        f"Licence: {plain(labelled.licence).rstrip('.')}."
    )
    note = f" Note: {plain(labelled.note).rstrip('.')}." if labelled.note else ""
    rows = rows_of(outcomes, published_of(labelled.name, labelled.others))
    source = [SOURCES[labelled.name], ""] if labelled.name in SOURCES else []
    return [f"### {labelled.name}", "", facts + note, "", *measures_table(columns_of(labelled), rows), "", *source]


def _cost(outcomes: Sequence[Outcome]) -> list[str]:
    text = (
        "Rows per second and seconds per fit count one core's time, fits included; model and memory are the largest "
        f"of any series; wall time is that of the whole command, measures included, {LARGEST_SET} being the largest "
        "set. Compare wall times of detectors that ran on equally many sets."
    )
    return ["## What it costs", "", text, "", *cost_table(outcomes), ""]


def _unjudged(outcomes: Sequence[Outcome]) -> list[str]:
    rows = unjudged_table(outcomes)
    text = "Pairs of set and detector that are not listed judged at least 99.5 % of the rows, and some of every series."
    nothing = "Every detector judged at least 99.5 % of the rows of every set, and some of every series."
    return ["## What could not be judged", "", *([text, "", *rows] if rows else [nothing]), ""]


def _pictures(measured: Measured) -> list[str]:
    lines = ["## Pictures", "", intro(measured.pictured), ""]
    for picture in measured.pictures:
        name = picture.domain.capitalize()
        lines += [f"### {name}", "", f"![{name}: a find, a miss and a false alarm]({picture.link})", ""]
        lines += [*picture.caption, ""]
        lines += [picture.attribution, ""] if picture.attribution else []
    return lines


def _closing(measured: Measured) -> list[str]:
    rows = closing_table(measured.sets, measured.outcomes)
    if not rows:
        return []
    alone = {one.detector for one in measured.outcomes if one.detector != LIVE}
    text = (
        f"The default combination beside the best of {len(alone)} detectors alone and the best of others. False alarms "
        "are those of a series or group in a week; the budget counts every signal of a group. The measure is one "
        "that others published, where there is one."
    )
    return ["## In short", "", text, "", *rows, ""]
