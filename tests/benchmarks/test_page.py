"""The whole page."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scorecard.__main__ import PAGE, main
from benchmarks.scorecard.closing import closing_table
from benchmarks.scorecard.cost import LARGEST_SET, cost_table, most_frequent, unjudged_table
from benchmarks.scorecard.machine import Made
from benchmarks.scorecard.outcome import LIVE, Outcome, SeriesFound
from benchmarks.scorecard.page import Measured, page
from benchmarks.scorecard.reading import BEGIN, END
from tests.benchmarks.making import labelled, outcome, stand_in, write_set

MADE = Made(datetime(2026, 3, 2, 12, 0, tzinfo=UTC), "abc1234", changed=True)


def test_costs_are_summed_over_sets() -> None:
    outcomes = [
        outcome("flat_line", {}, "town", 2.0, rows=1000, fits=4, fit_s=1.0, judge_s=1.0, model_bytes=2000),
        outcome("flat_line", {}, LARGEST_SET, 3.0, rows=5000, fits=6, fit_s=1.0, judge_s=0.0, model_bytes=9000),
        Outcome("town", "bad", 1.0, None, "broke"),
    ]
    assert cost_table(outcomes)[2:] == [
        "| `flat_line` | 2 | 2,000 | 0.200 | 10 | 9 | 100 | 5 | 3 |",
        "| `bad` | 0 | — | — | — | — | — | — | — |",
    ]


def test_what_was_not_judged_is_listed_with_its_reason() -> None:
    silent = SeriesFound({"judged_share": 0.0}, unfitted={"0:group_pca": "fewer than two signals"})
    whole = SeriesFound({"judged_share": 1.0})
    outcomes = [
        outcome("all", {"judged_share": 0.999}),
        outcome("most", {"judged_share": 0.98}),
        outcome("some", {"judged_share": 0.5}, series={"a": silent, "b": whole}),
    ]
    assert unjudged_table(outcomes)[2:] == [
        "| town | `most` | 98.0 | 0 of 1 | — |",
        "| town | `some` | 50.0 | 1 of 2 | fewer than two signals |",
    ]
    assert unjudged_table(outcomes[:1]) == []


def test_the_most_frequent_reason_is_short() -> None:
    assert most_frequent(["b", "a", "b"]) == "b"
    assert most_frequent(["b", "a"]) == "a"
    assert most_frequent([]) == "no reason recorded"
    assert len(most_frequent(["x" * 500])) < 120


@pytest.mark.parametrize(
    ("theirs", "row"),
    [
        ({"A": {"f1": 0.7}, "B": {"f1": 0.6}}, "best F1 | 0.500 | 0.300 (`poor`) | 0.700 (A)"),
        ({"A": {"f1": 0.7}, "B": {"vus_pr": 0.6}}, "VUS-PR | 0.400 | 0.600 (`good`) | 0.600 (B)"),
        ({}, "VUS-PR | 0.400 | 0.600 (`good`) | —"),
    ],
)
def test_the_live_combination_is_set_beside_the_best(theirs: dict[str, Any], row: str) -> None:
    pumps = {"a": SeriesFound({}, signals=3), "b": SeriesFound({}, signals=5)}
    outcomes = [
        outcome(LIVE, {"vus_pr": 0.4, "f1_best": 0.5, "false_alarms_per_week": 0.25}, series=pumps),
        outcome("good", {"vus_pr": 0.6, "judged_share": 1.0}),
        outcome("poor", {"vus_pr": 0.1, "f1_best": 0.3, "judged_share": 1.0}),
        outcome("mute", {"vus_pr": 0.9, "f1_best": 0.9, "judged_share": 0.0}),
    ]
    town = labelled(others={"peers": theirs})
    assert closing_table([town], outcomes)[2:] == [f"| town | {row} | 0.250 | 0.040 |"]
    assert closing_table([town], outcomes[1:]) == []


def test_the_page_says_how_it_was_made_and_keeps_the_reading() -> None:
    outcomes = [
        outcome(LIVE, {"auc": 0.9, "judged_share": 1.0}, seconds=90.0),
        Outcome("town", "bad", 30.0, None, "broke"),
    ]
    text = page(Measured(MADE, [labelled()], outcomes, [], LIVE, ["Not everything was run."]), "\nMy words.\n")
    assert f"{BEGIN}\nMy words.\n{END}" in text
    assert "2026-03-02 12:00 UTC, commit abc1234 with uncommitted changes" in text
    assert "1 set, 2 evaluations, one after the other: 2.0 minutes in all" in text
    assert "alert budget of 10 false alerts per 1,000 series and week" in text
    assert "- Not everything was run." in text
    assert text.index("My words") < text.index("## How it was made") < text.index("## In short")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (Made(MADE.at, "abc1234", changed=False), "commit abc1234"),
        (Made(MADE.at, "", changed=False), "commit unknown"),
    ],
)
def test_the_code_is_named(made: Made, words: str) -> None:
    assert made.code == words


def arguments_in(tmp_path: Path) -> list[str]:
    return ["--data", f"{tmp_path}/sets", "--out", f"{tmp_path}/docs", "--work", f"{tmp_path}/work", "--jobs", "1"]


def test_a_set_is_evaluated_and_written_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_set(tmp_path / "sets" / "waterworks")
    assert main([*arguments_in(tmp_path), "--detectors", "flat_line,group_pca"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^waterworks flat_line done in [\d.]+ s$", told, re.MULTILINE)
    text = (tmp_path / "docs" / PAGE).read_text("utf-8")
    assert "| `group_pca` | judged nothing |" in text
    assert "| waterworks | `group_pca` | 0.0 | 1 of 1 |" in text
    assert "| *a rival* |" in text
    assert "Data: waterworks: made up (licence: own)." in text
    assert "- Left, the only found event: waterworks, `pump`" in text
    assert str(tmp_path) not in text
    picture = (tmp_path / "docs" / "images" / "scorecard-water.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 150_000


def test_a_failed_run_is_named_and_the_rest_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_set(tmp_path / "sets" / "roads", domain="transport", licence="none stated")
    write_set(tmp_path / "sets" / "waterworks")
    body = """
if "roads" in sys.argv[2]:
    sys.exit(f"cityvigil: {sys.argv[2]}/pump.csv.gz: is damaged")
finish()
"""
    stand_in(tmp_path, monkeypatch, body)
    assert main([*arguments_in(tmp_path), "--detectors", "flat_line"]) == 1
    told = capsys.readouterr()
    assert told.err == "scorecard: roads flat_line failed: pump.csv.gz: is damaged\n"
    assert "waterworks flat_line done in" in told.out
    text = (tmp_path / "docs" / PAGE).read_text("utf-8")
    assert "| `flat_line` | failed: pump.csv.gz: is damaged |" in text
    assert text.count("Nothing is shown: no series was judged whose licence allows a picture.") == 2
    for domain in ("transport", "water"):
        assert (tmp_path / "docs" / "images" / f"scorecard-{domain}.png").exists()


@pytest.mark.parametrize(
    ("page_text", "arguments", "said"),
    [
        (BEGIN, [], "needs <!-- reading -->"),
        ("", ["--only", "elsewhere"], "has no set named elsewhere"),
    ],
)
def test_what_cannot_go_well_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], page_text: str, arguments: list[str], said: str
) -> None:
    write_set(tmp_path / "sets" / "town")
    (tmp_path / PAGE).write_text(page_text)
    assert main(["--data", str(tmp_path / "sets"), "--out", str(tmp_path), "--work", str(tmp_path), *arguments]) == 1
    told = capsys.readouterr()
    assert said in told.err
    assert not told.out
    assert (tmp_path / PAGE).read_text() == page_text


def test_a_detector_that_there_is_none_of_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path), "--out", str(tmp_path), "--detectors", "crystal_ball"])
    assert "there is no detector named crystal_ball; there are: default" in capsys.readouterr().err
