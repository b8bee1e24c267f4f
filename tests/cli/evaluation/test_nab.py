import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cli.evaluation.nab import PROFILES, Profile, nab_scores
from tests.cli.evaluation.making import Labelled, column, flags, labelled


def curve(position: float) -> float:
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def windows_of(labels: NDArray[np.int8]) -> list[range]:
    windows: list[range] = []
    for row, label in enumerate(labels):
        if label and row and labels[row - 1]:
            windows[-1] = range(windows[-1].start, row + 1)
        elif label:
            windows.append(range(row, row + 1))
    return windows


def earnings(labels: NDArray[np.int8], called: NDArray[np.bool_], profile: Profile) -> float:
    """Return what a series earns, row by row and window by window as the benchmark's paper has it."""
    windows, total = windows_of(labels), 0.0
    for window in windows:
        hits = [row for row in window if called[row]]
        distance = (window.stop - hits[0]) / len(window) if hits else 0.0
        total += profile.found * curve(-distance) / curve(-1.0) if hits else -profile.missed
    for row in np.flatnonzero(called & (labels == 0)):
        behind = [window for window in windows if window.stop <= row]
        if behind:
            total += profile.false_alarm * curve((row - behind[-1][-1]) / max(len(behind[-1]) - 1, 1))
        else:
            total -= profile.false_alarm
    return total


def by_trying_all(series: Sequence[Labelled], profile: Profile) -> float:
    thresholds = {math.inf, *np.concatenate([scores for _, scores in series]).tolist()}
    best = max(sum(earnings(labels, scores >= level, profile) for labels, scores in series) for level in thresholds)
    count = sum(len(windows_of(labels)) for labels, _ in series)
    return 100 * (best + profile.missed * count) / ((profile.found + profile.missed) * count)


@given(st.lists(labelled(), min_size=1, max_size=3))
def test_it_is_what_trying_all_thresholds_finds(series: list[Labelled]) -> None:
    got = nab_scores(series)
    for name, profile in PROFILES.items():
        assert got[name] == pytest.approx(by_trying_all(series, profile), abs=1e-9)


@given(st.lists(labelled(), min_size=1, max_size=3), st.sampled_from([np.exp, np.cbrt, np.arctan]))
def test_only_the_order_of_scores_counts(
    series: list[Labelled], rising: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> None:
    transformed = nab_scores([(labels, rising(scores)) for labels, scores in series])
    assert transformed == pytest.approx(nab_scores(series), abs=1e-9)


@given(labelled())
def test_it_lies_between_nothing_and_everything(series: Labelled) -> None:
    assert all(0.0 <= score <= 100.0 + 1e-9 for score in nab_scores([series]).values())


def test_each_window_at_its_left_edge_and_nothing_else_is_100() -> None:
    labels = flags("00011110000 000111")
    scores = column([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0])
    assert nab_scores([(labels, scores)]) == pytest.approx({"standard": 100.0, "low_fp": 100.0, "low_fn": 100.0})


def test_nothing_detected_is_0() -> None:
    # All rows alike: whoever calls the window calls 60 rows before it, which cost 60 x 0.11.
    labels = flags("0" * 60 + "11")
    assert nab_scores([(labels, np.zeros(62))]) == {"standard": 0.0, "low_fp": 0.0, "low_fn": 0.0}


def test_late_detection_and_a_false_alarm_behind_a_window_by_hand() -> None:
    # Window: rows 2 and 3. Row 3 lies half a width before its right edge, and earns curve(-1/2) / curve(-1):
    # (2 / (1 + e^-2.5) - 1) / (2 / (1 + e^-5) - 1) = .8482836 / .9866143 = .8597925.
    late = (flags("001100"), column([0, 0, 0, 1, 0, 0]))
    assert nab_scores([late])["standard"] == pytest.approx(100 * (0.8597925 + 1) / 2, abs=1e-5)
    # Row 4 has the highest score and lies one row behind the window's last, which is one width less one row: it costs
    # curve(1) = -.9866143 times 0.11 (0.22). Row 2, next, is the left edge and earns 1.
    scores = nab_scores([(flags("001100"), column([0, 0, 8, 0, 9, 0]))])
    assert scores["standard"] == pytest.approx(100 * (2 - 0.11 * 0.9866143) / 2, abs=1e-5)
    assert scores["low_fp"] == pytest.approx(100 * (2 - 0.22 * 0.9866143) / 2, abs=1e-5)
    assert scores["low_fn"] == pytest.approx(100 * (3 - 0.11 * 0.9866143) / 3, abs=1e-5)


def test_one_threshold_holds_for_all_series() -> None:
    # Each alone is perfect. Together, to find the window of `quiet` at 1 means 50 false alarms (x 0.11) of `loud` at 5.
    loud = (flags("0" * 50 + "1"), column([5.0] * 50 + [10.0]))
    quiet = (flags("0" * 50 + "1"), column([0.0] * 50 + [1.0]))
    assert nab_scores([loud])["standard"] == pytest.approx(100.0)
    assert nab_scores([quiet])["standard"] == pytest.approx(100.0)
    assert nab_scores([loud, quiet])["standard"] == pytest.approx(50.0)


def test_without_windows_there_is_no_score() -> None:
    for series in ([], [(flags("000"), column([1, 2, 3]))], [(flags(""), column([]))]):
        assert all(math.isnan(score) for score in nab_scores(series).values())
