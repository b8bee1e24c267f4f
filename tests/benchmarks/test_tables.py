"""Tables in Markdown."""

from typing import Any

import pytest

from benchmarks.scorecard.measures import columns_of, rows_of
from benchmarks.scorecard.others import Published
from benchmarks.scorecard.outcome import LIVE, Outcome
from benchmarks.scorecard.tables import Column, Row, measures_table, plain, table
from tests.benchmarks.making import labelled, outcome

HIGH = Column("auc", "AUC", "")
LOW = Column("far_pct", "false alarm rate, %", "", 1, False)


def cells(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def column(column: Column, *rows: Row) -> list[str]:
    return [row[1] for row in cells(measures_table([column], rows))[2:]]


def test_a_table_has_a_ruler_and_one_line_per_row() -> None:
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "|---|---:|", "| 1 | 2 |"]
    assert table(["a", "b"], [], words=(0, 1))[1] == "|---|---|"


def test_the_best_is_bold_in_the_direction_of_its_measure() -> None:
    rows = Row("a", {"auc": 0.8, "far_pct": 3.0}), Row("b", {"auc": 0.9, "far_pct": 1.0})
    assert column(HIGH, *rows) == ["0.800", "**0.900**"]
    assert column(LOW, *rows) == ["3.0", "**1.0**"]


def test_what_looks_equal_is_equally_good() -> None:
    assert column(HIGH, Row("a", {"auc": 0.90001}), Row("b", {"auc": 0.90002}), Row("c", {"auc": 0.1})) == [
        "**0.900**",
        "**0.900**",
        "0.100",
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [Row("a", {"auc": 0.9})],
        [Row("a", {"auc": 0.9}), Row("b", {"auc": 0.9})],
        [Row("a", {"auc": 0.9}), Row("b", {})],
        [Row("a", {"auc": 0.9}), Row("b", {"auc": 0.8}, compared=False)],
    ],
)
def test_without_a_rival_nothing_is_bold(rows: list[Row]) -> None:
    assert not any("**" in cell for cell in column(HIGH, *rows))


def test_figures_of_other_rows_are_shown_and_never_the_best() -> None:
    rows = Row("a", {"auc": 0.5}), Row("b", {"auc": 0.6}), Row("c", {"auc": 0.9}, compared=False)
    assert column(HIGH, *rows) == ["0.500", "**0.600**", "0.900"]


def test_who_finds_nothing_does_not_win_by_silence() -> None:
    rows = [
        outcome("mute", {"far_pct": 0.0, "judged_share": 1.0, "event_recall": 0.0}),
        outcome("good", {"far_pct": 1.0, "judged_share": 1.0, "event_recall": 0.5}),
        outcome("loud", {"far_pct": 9.0, "judged_share": 1.0, "event_recall": 0.9}),
    ]
    assert column(LOW, *rows_of(rows, [])) == ["0.0", "**1.0**", "9.0"]


def test_a_failure_stands_in_its_row_and_cannot_break_the_table() -> None:
    lines = measures_table([HIGH, LOW], rows_of([Outcome("town", "bad", 1.0, None, "pipe | *broke*\nhere")], []))
    assert lines[2] == r"| `bad` | failed: pipe \| \*broke\* here |  |"


def test_who_judged_nothing_gets_no_figures() -> None:
    rows = rows_of([outcome("mute", {"auc": 0.5, "judged_share": 0.0})], [])
    assert measures_table([HIGH], rows)[2] == "| `mute` | judged nothing |"


def test_others_stand_in_italics_and_the_live_combination_is_marked() -> None:
    rows = rows_of([outcome(LIVE, {"judged_share": 1.0})], [Published("T2+Q", {"auc": 0.9})])
    assert [row.name for row in rows] == ["default combination ◆", "*T2+Q*"]


@pytest.mark.parametrize(
    ("changed", "there"),
    [
        ({"domain": "water", "grouped": True}, {"S"}),
        ({"domain": "water", "grouped": False}, set()),
        ({"domain": "transport", "grouped": True}, set()),
        ({"domain": "transport", "interval_s": None}, {"nab_standard", "nab_low_fp", "nab_low_fn"}),
    ],
)
def test_columns_are_those_that_matter_for_the_set(changed: dict[str, Any], there: set[str]) -> None:
    always = {
        "auc", "ap", "f1_best", "f1_default", "far_pct", "event_recall_half", "false_alarms_per_week", "vus_pr",
        "judged_share",
    }  # fmt: skip
    assert {column.key for column in columns_of(labelled(**changed))} == always | there


def test_text_in_a_cell_stays_text() -> None:
    assert plain("a_b [x](y) <b>") == r"a\_b \[x\](y) \<b\>"
