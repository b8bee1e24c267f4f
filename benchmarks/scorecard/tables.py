"""Tables in Markdown, the best of each column in bold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

NOTHING = "—"
"""Stands where there is no figure."""


class Column(NamedTuple):
    """One measure.

    Attributes
    ----------
    key
        Its name in a summary.
    heading
        What people read.
    meaning
        One sentence: what it is and which direction is good; it follows the heading.
    digits
        Behind the point.
    high_is_good
        Else low is.
    factor
        What its value is multiplied by to be shown.
    """

    key: str
    heading: str
    meaning: str
    digits: int = 3
    high_is_good: bool = True
    factor: float = 1.0

    def shown(self, value: float | None) -> str:
        """Return a value as it is written in the table."""
        return NOTHING if value is None else f"{value * self.factor:.{self.digits}f}"


@dataclass(frozen=True, slots=True)
class Row:
    """One method.

    Attributes
    ----------
    name
        As it is written, Markdown included.
    measures
        By key; what is missing or None has no figure.
    instead
        What stands there in place of figures; empty means nothing does.
    compared
        Whether its figures may be the best of their column.
    may_be_lowest
        Whether its low figures may be: never alarming is no art.
    """

    name: str
    measures: Mapping[str, float | None]
    instead: str = ""
    compared: bool = True
    may_be_lowest: bool = True


def measures_table(columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    """Return the lines of a table of measures."""
    best = {column.key: _best(column, rows) for column in columns}
    cells = [_cells(columns, row, best) for row in rows]
    return table(["detector", *(column.heading for column in columns)], cells)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)) -> list[str]:
    """Return the lines of a table.

    Parameters
    ----------
    words
        Columns that are set to the left; the others are numbers.
    """
    ruler = "|".join("---" if number in words else "---:" for number in range(len(headings)))
    return [_line(headings), f"|{ruler}|", *(_line(row) for row in rows)]


def plain(text: str) -> str:
    """Return text that stands in a cell as it is: no bar ends the cell, nothing in it is Markdown or HTML."""
    for mark in "\\`*_|<>[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(columns: Sequence[Column], row: Row, best: Mapping[str, str]) -> list[str]:
    if row.instead:
        return [row.name, row.instead, *("" for _ in columns[1:])]
    cells = []
    for column in columns:
        shown = column.shown(row.measures.get(column.key))
        mark = "**" if shown == best[column.key] and _may_win(column, row) else ""
        cells.append(f"{mark}{shown}{mark}")
    return [row.name, *cells]


def _may_win(column: Column, row: Row) -> bool:
    return not row.instead and row.compared and (column.high_is_good or row.may_be_lowest)


def _best(column: Column, rows: Sequence[Row]) -> str:
    """Return the best figure as it is written, so that what looks equal is; empty where there is nothing to win."""
    rivals = [row.measures.get(column.key) for row in rows if _may_win(column, row)]
    values = [value for value in rivals if value is not None]
    if len({column.shown(value) for value in values}) < 2:  # noqa: PLR2004 - one of a kind wins nothing
        return ""
    return column.shown(max(values) if column.high_is_good else min(values))
