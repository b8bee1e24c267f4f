"""What a picture shows, in plain words."""

from collections.abc import Mapping, Sequence

import pandas as pd

from benchmarks.scorecard.spans import Kind, Span

_SIDES = {Kind.FIND: "Left", Kind.MISS: "Middle", Kind.FALSE_ALARM: "Right"}
_ABSENT = {
    Kind.FIND: "nothing: no event was found",
    Kind.MISS: "nothing: no event was missed",
    Kind.FALSE_ALARM: "nothing: there was no false alarm",
}
_HEADLINES = {
    Kind.FIND: "No event found",
    Kind.MISS: "No event missed",
    Kind.FALSE_ALARM: "No false alarm",
}


def caption(chosen: Mapping[Kind, Span], spans: Sequence[Span], drawn: int) -> list[str]:
    """Return the lines under a picture.

    Parameters
    ----------
    chosen
        What is shown.
    spans
        What it was chosen from.
    drawn
        How many series that was.
    """
    if not drawn:
        return [f"Nothing is shown: {nothing_to_draw()}."]
    lines = []
    for kind, side in _SIDES.items():
        count = sum(span.kind is kind for span in spans)
        lines.append(f"- {side}, {_facts(chosen[kind], count) if kind in chosen else _ABSENT[kind]}.")
    return [f"Chosen from {drawn} series:", "", *lines]


def nothing_to_draw() -> str:
    """Return why a picture is empty."""
    return "no series was judged whose licence allows a picture"


def absent(kind: Kind, drawn: int) -> tuple[str, str]:
    """Return headline and line below of a panel that has nothing to show.

    Parameters
    ----------
    drawn
        How many series may be drawn and were judged.
    """
    return (_HEADLINES[kind], f"in {drawn} series") if drawn else ("Nothing to show", nothing_to_draw())


def title(span: Span) -> str:
    """Return a panel's headline."""
    if span.kind is Kind.FIND:
        return f"Found {came(span.delay)}" if span.delay else "Found at once"
    length = duration(span.length)
    return f"Missed: {length} without an alarm" if span.kind is Kind.MISS else f"False alarm: {length}"


def subtitle(span: Span) -> str:
    """Return the line below it: where, and what it was."""
    return " · ".join(part for part in (span.rows.labelled.name, span.rows.series, span.fault) if part)


def came(delay: pd.Timedelta | None) -> str:
    """Return how late an alarm came."""
    return f"{duration(delay)} after its start" if delay else "in its first row"


def duration(length: pd.Timedelta) -> str:
    """Return a time span in its two largest units."""
    seconds = round(length.total_seconds())
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"


def clock(span: Span) -> str:
    """Return whose time a stamp is."""
    return "local clock" if span.rows.labelled.local_clock else "UTC"


def _facts(span: Span, count: int) -> str:
    where = f"{span.rows.labelled.name}, `{span.rows.series}`{f', {span.fault}' if span.fault else ''}"
    when = f"{_stamp(span.begins)} to {_stamp(span.ends)} ({clock(span)})"
    highest = "no row of it was judged" if span.highest is None else f"its highest score is {span.highest:.1f}"
    near = f"alarms begin near {span.rows.alarms_near:.1f}"
    if span.kind is Kind.FIND:
        which = f"of {count} found events the one with the median delay" if count > 1 else "the only found event"
        return f"{which}: {where}, labelled {when}; the first alarm came {came(span.delay)}"
    if span.kind is Kind.MISS:
        which = f"of {count} missed events the longest" if count > 1 else "the only missed event"
        return f"{which}: {where}, labelled {when}; {highest}, and {near}"
    which = f"of {count} false alarms the one with the highest score" if count > 1 else "the only false alarm"
    return f"{which}: {where}, {when}, where nothing is labelled; {highest}, and {near}"


def _stamp(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if not time.second else f"{time:%Y-%m-%d %H:%M:%S}"
