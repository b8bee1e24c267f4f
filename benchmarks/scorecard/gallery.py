"""The pictures of all domains: what to draw, the files, and what stands below them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.scorecard.captions import caption
from benchmarks.scorecard.judged import read_judged
from benchmarks.scorecard.labelled import LabelledSet
from benchmarks.scorecard.measures import name_of
from benchmarks.scorecard.outcome import Outcome
from benchmarks.scorecard.pictures import draw
from benchmarks.scorecard.spans import choose, spans_of

IMAGES = "images"
"""Folder of the pictures, beside the page."""


class Picture(NamedTuple):
    """One picture on the page.

    Attributes
    ----------
    domain
        What it is of.
    link
        Its file, from the page.
    caption
        Lines that say what it shows.
    attribution
        Whose data that is; empty where nothing is shown.
    """

    domain: str
    link: str
    caption: list[str]
    attribution: str


def draw_all(
    sets: Sequence[LabelledSet], outcomes: Mapping[str, Outcome], work: Path, out: Path, detector: str
) -> list[Picture]:
    """Draw one picture per domain, of the sets whose licence allows it.

    Parameters
    ----------
    outcomes
        Of one detector, by set.
    work
        Folder that the evaluations wrote to.
    out
        Folder of the page.
    detector
        Whose outcomes they are.
    """
    domains = sorted({labelled.domain for labelled in sets})
    return [
        _draw(domain, [one for one in sets if one.domain == domain], outcomes, work, out, detector)
        for domain in domains
    ]


def _draw(
    domain: str,
    sets: Sequence[LabelledSet],
    outcomes: Mapping[str, Outcome],
    work: Path,
    out: Path,
    detector: str,
) -> Picture:
    rows, shown = [], []
    for labelled in sets:
        outcome = outcomes.get(labelled.name)
        if labelled.may_be_drawn and outcome is not None and outcome.summary is not None and outcome.judged_share:
            rows.extend(read_judged(labelled, work / labelled.name / detector, outcome.summary.budget))
            shown.append(labelled)
    spans = [span for one in rows for span in spans_of(one)]
    chosen = choose(spans)
    link = f"{IMAGES}/scorecard-{domain}.png"
    draw(out / link, chosen, len(rows))
    drawn = {span.rows.labelled.name for span in chosen.values()}
    return Picture(domain, link, caption(chosen, spans, len(rows)), _attribution([s for s in shown if s.name in drawn]))


def _attribution(sets: Sequence[LabelledSet]) -> str:
    said = "; ".join(f"{one.name}: {one.origin} (licence: {one.licence})" for one in sets)
    return f"Data: {said}." if said else ""


def intro(detector: str) -> str:
    """Return what stands above the pictures."""
    return (
        f"What the {name_of(detector)} finds, misses and reports in vain: of each domain one found event, one missed "
        "event and one false alarm, chosen by rule and not by hand. The score says how rare a row is by its own past: "
        "3 is one in a thousand. Only sets whose licence allows it are drawn."
    )
