import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cli.evaluation.vus import FALLBACK_WINDOW_ROWS, vus_pr, window_length
from tests.cli.evaluation.making import Labelled, column, flags, labelled


def events_of(labels: NDArray[np.int8]) -> list[tuple[int, int]]:
    """Return first and last row of each event."""
    firsts = [row for row in range(labels.size) if labels[row] and (row == 0 or not labels[row - 1])]
    lasts = [row for row in range(labels.size) if labels[row] and (row + 1 == labels.size or not labels[row + 1])]
    return list(zip(firsts, lasts, strict=True))


def soft_labels(labels: NDArray[np.int8], buffer: int) -> NDArray[np.float64]:
    soft = labels.astype(np.float64)
    for first, last in events_of(labels):
        for distance in range(1, buffer // 2 + 1):
            for row in (first - distance, last + distance):
                if 0 <= row < labels.size:
                    soft[row] += math.sqrt(1 - distance / buffer)
    return np.minimum(soft, 1.0)


def stretches(labels: NDArray[np.int8], half: int) -> list[tuple[int, int]]:
    """Return events with half a buffer on either side, joined where they meet."""
    joined: list[tuple[int, int]] = []
    for first, last in events_of(labels):
        if joined and first - half <= joined[-1][1]:
            joined[-1] = (joined[-1][0], last + half)
        else:
            joined.append((max(first - half, 0), last + half))
    return joined


def area(labels: NDArray[np.int8], scores: NDArray[np.float64], buffer: int) -> float:
    soft, around = soft_labels(labels, buffer), stretches(labels, buffer // 2)
    levels = np.sort(scores)[::-1][np.linspace(0, scores.size - 1, 250).astype(int)]
    total, before = 0.0, 0.0
    for level in levels:
        called = scores >= level
        hits = float(soft[called].sum())
        # What is labelled in full counts whether called or not, what is labelled in part only where called.
        positives = (labels.sum() + float(soft[called | (labels == 1)].sum())) / 2
        touched = sum(bool(called[first : last + 1].any()) for first, last in around) / len(around)
        recall = min(hits / positives, 1.0) * touched
        total += (recall - before) * hits / called.sum()
        before = recall
    return total


def by_definition(labels: NDArray[np.int8], scores: NDArray[np.float64], window: int) -> float:
    return sum(area(labels, scores, buffer) for buffer in range(window + 1)) / (window + 1)


@given(labelled(longest=4), st.integers(0, 7))
def test_it_is_what_the_definition_gives(series: Labelled, window: int) -> None:
    labels, scores = series
    assert vus_pr(labels, scores, window) == pytest.approx(by_definition(labels, scores, window), abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_it_is_what_the_definition_gives_where_not_every_row_is_a_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.integers(0, 2, 30), rng.integers(1, 60, 30)).astype(np.int8)
    scores = rng.normal(size=labels.size).round(seed) + labels
    assert labels.size > 250
    assert vus_pr(labels, scores, 9) == pytest.approx(by_definition(labels, scores, 9), abs=1e-12)


@given(labelled(), st.integers(0, 60), st.sampled_from([np.exp, np.cbrt, np.arctan]))
def test_only_the_order_of_scores_counts(
    series: Labelled, window: int, rising: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> None:
    labels, scores = series
    assert vus_pr(labels, rising(scores), window) == vus_pr(labels, scores, window)


@given(labelled(), st.integers(0, 60))
def test_time_has_no_direction(series: Labelled, window: int) -> None:
    labels, scores = series
    assert vus_pr(labels[::-1], scores[::-1], window) == pytest.approx(vus_pr(labels, scores, window), abs=1e-12)


@given(labelled())
def test_perfect_scores_without_a_buffer_are_1(series: Labelled) -> None:
    labels, _ = series
    assert vus_pr(labels, labels.astype(np.float64), 0) == 1.0


def test_a_near_miss_by_hand() -> None:
    # The row behind the event scores highest, then the event.
    # Buffers 0 and 1: no soft label. First row: recall 0. Second: recall 1, precision 1/2. Area 1/2.
    labels, scores = flags("00100000"), column([0, 0, 8, 9, 0, 0, 0, 0])
    assert vus_pr(labels, scores, 1) == pytest.approx(0.5)
    # Buffer 2: rows 1 and 3 count r = sqrt(1 - 1/2) = .7071068. First row: recall r / (1 + r / 2) = .5224078,
    # precision r. Second: recall min((1 + r) / (1 + r / 2), 1) = 1, precision (1 + r) / 2 = .8535534.
    # Area .5224078 x .7071068 + .4775922 x .8535534 = .7770485.
    assert vus_pr(labels, scores, 2) == pytest.approx((0.5 + 0.5 + 0.7770485) / 3, abs=1e-6)


def test_events_whose_buffers_meet_are_touched_together_by_hand() -> None:
    # Only the first event is found, by the highest score; all other rows are alike and come next, together.
    # Buffers 0 and 1: two events. First: recall 1/2 x touched 1/2 = 1/4, precision 1. Then: recall 1, precision 2/8.
    # Area 1/4 + 3/4 x 1/4 = .4375.
    labels, scores = flags("00100100"), column([0, 0, 9, 0, 0, 0, 0, 0])
    assert vus_pr(labels, scores, 1) == pytest.approx(0.4375)
    # Buffers 2 and 3: rows 1, 3, 4 and 6 count r = sqrt(1 - 1/2), .7071068, or sqrt(1 - 1/3), .8164966; the buffers,
    # rows 1 to 3 and 4 to 6, are still apart. First as before; then precision (2 + 4r) / 8 = .6035534, .6582483.
    # Areas 1/4 + 3/4 x .6035534 = .7026650 and 1/4 + 3/4 x .6582483 = .7436862.
    assert vus_pr(labels, scores, 3) == pytest.approx((0.4375 * 2 + 0.7026650 + 0.7436862) / 4, abs=1e-6)
    # Buffer 4: rows 1 and 6 count sqrt(3/4) = .8660254; rows 0 and 7 sqrt(1/2) = .7071068; rows 3 and 4 lie in two
    # buffers, and count 1. Now it is one stretch. First: recall 1/2 x 1, precision 1. Then: recall 1, precision
    # (2 + 2 + 2 x .8660254 + 2 x .7071068) / 8 = .8932831. Area 1/2 + 1/2 x .8932831 = .9466415.
    whole = (0.4375 * 2 + 0.7026650 + 0.7436862 + 0.9466415) / 5
    assert vus_pr(labels, scores, 4) == pytest.approx(whole, abs=1e-6)


def test_a_window_longer_than_the_series_reaches_its_ends() -> None:
    labels, scores = flags("0010"), column([3, 1, 2, 0])
    assert vus_pr(labels, scores, 40) == pytest.approx(by_definition(labels, scores, 40), abs=1e-12)


def test_it_needs_rows_of_both_kinds() -> None:
    for labels in ("", "0", "1", "000", "111"):
        assert math.isnan(vus_pr(flags(labels), np.zeros(len(labels)), 5))


def test_the_window_is_the_period() -> None:
    rows = np.arange(2_000)
    noise = np.random.default_rng(1).normal(0.0, 0.01, rows.size)
    for period in (6, 24, 96, 288):
        assert window_length(np.sin(2 * np.pi * rows / period) + noise / period) == period


def test_only_the_first_20_000_rows_say_what_the_period_is() -> None:
    rows = np.arange(60_000)
    values = np.sin(2 * np.pi * rows / np.where(rows < 20_000, 24, 50)) * np.where(rows < 20_000, 1.0, 9.0)
    assert window_length(values) == 24


def period_by_definition(values: NDArray[np.float64]) -> int:
    deviations = values - values.mean()
    at_lag = [float(deviations[: values.size - lag] @ deviations[lag:]) for lag in range(min(values.size, 401))]
    peaks = [lag for lag in range(4, len(at_lag) - 1) if at_lag[lag - 1] < at_lag[lag] > at_lag[lag + 1]]
    best = max(peaks, key=lambda lag: at_lag[lag], default=0)
    return best if 6 <= best <= 303 else FALLBACK_WINDOW_ROWS


@given(st.integers(0, 2**32), st.integers(1, 700), st.floats(0.0, 3.0))
def test_the_period_is_what_the_definition_gives(seed: int, rows: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(rows) / rng.uniform(2.0, 500.0)
    # A little noise always: rounding alone would choose between maxima that are equal.
    values = np.sin(phase) + (noise + 0.01) * rng.normal(size=rows)
    assert window_length(values) == period_by_definition(values)


def test_a_series_without_a_period_has_the_usual_one() -> None:
    gap = np.sin(np.arange(500.0))
    gap[7] = np.nan
    slow = np.sin(2 * np.pi * np.arange(4_000) / 350)
    for values in (np.zeros(0), np.ones(1), np.arange(5.0), np.full(500, 3.0), np.arange(500.0), gap, slow):
        assert window_length(values) == FALLBACK_WINDOW_ROWS
