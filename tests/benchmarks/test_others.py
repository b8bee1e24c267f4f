"""Other people's figures."""

from typing import Any

import pytest

from benchmarks.scorecard.others import ELSEWHERE, SOURCES, Published, flattened, published_of


def test_methods_are_found_at_any_depth_and_told_which_part_they_are_of() -> None:
    content = {"all files": {"Conv-AE": {"f1": 0.78, "far_pct": 13.55}, "valve 1": {"MSET": {"f1": 0.7}}}}
    assert flattened(content) == [
        Published("Conv-AE (all files)", {"f1_best": 0.78, "far_pct": 13.55}),
        Published("MSET (all files, valve 1)", {"f1_best": 0.7}),
    ]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"auc": 0.9, "f1_oracle_threshold": 0.6}, {"auc": 0.9, "f1_best": 0.6}),
        ({"vus_pr": 1}, {"vus_pr": 1.0}),
        ({"f1": 0.5, "seconds": 12}, {"f1_best": 0.5}),
    ],
)
def test_measures_take_our_names(theirs: dict[str, float], ours: dict[str, float]) -> None:
    assert flattened({"method": theirs}) == [Published("method", ours)]


@pytest.mark.parametrize("content", [{}, {"method": {}}, {"method": {"seconds": 12}}, {"note": "as published"}])
def test_what_holds_none_of_our_measures_is_left_out(content: dict[str, Any]) -> None:
    assert flattened(content) == []


def test_the_key_says_which_part_was_measured() -> None:
    rows = published_of("town", {"peers": {"A": {"auc": 0.8}}, "peers_test_part": {"B": {"auc": 0.9}}})
    assert [row.method for row in rows] == ["A", "B (test part)"]


def test_figures_that_stand_elsewhere_are_added_with_their_source() -> None:
    assert published_of("nab-transport-dev", {})[0] == Published("CAD OSE", {"nab_standard": 91.7})
    assert not published_of("scada-dev", {"peers": {"A": {"f1": 0.7}}})[-1].like_for_like
    assert set(SOURCES) == set(ELSEWHERE)
