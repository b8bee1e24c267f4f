"""Labelled series to measure."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from cli.evaluation.measures import JudgedSeries

NAN = float("nan")

Labelled = tuple[NDArray[np.int8], NDArray[np.float64]]
"""Labels and scores."""


def column(values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def flags(text: str) -> NDArray[np.int8]:
    """Return labels or alarms written as `0011`; blanks are for the eye."""
    return np.array([int(digit) for digit in text.replace(" ", "")], dtype=np.int8)


def judged(labels: str, scores: Sequence[float], alarms: str | None = None, seconds: float = 604_800.0) -> JudgedSeries:
    its_labels = flags(labels)
    its_alarms = flags(alarms) if alarms is not None else np.zeros_like(its_labels)
    return JudgedSeries(its_labels, column(scores), its_alarms, np.zeros(its_labels.size), seconds)


def random_series(rng: np.random.Generator, rows: int) -> JudgedSeries:
    """Return a series with up to five events, scores with ties and gaps, alarms alone and in stretches."""
    labels = np.zeros(rows, dtype=np.int8)
    for start in rng.integers(0, rows, size=rng.integers(0, 6)):
        labels[start : start + rng.integers(1, max(rows // 8, 2))] = 1
    scores = rng.normal(size=rows).round(rng.integers(1, 12)) + rng.uniform(0.0, 3.0) * labels
    scores[rng.random(rows) < rng.choice([0.0, 0.1, 0.9])] = NAN
    alarms = np.convolve(rng.random(rows) < 0.05, np.ones(rng.integers(1, 6)))[:rows] > 0
    values = np.sin(np.arange(rows) / rng.uniform(1.0, 20.0)) + rng.normal(size=rows) / 10.0
    return JudgedSeries(labels, scores, alarms, values, float(rng.integers(0, 1_000_000)))


@st.composite
def labelled(draw: st.DrawFn, longest: int = 8) -> Labelled:
    """Draw runs of labels and for each row one of a few scores, so that there are ties."""
    lengths = draw(st.lists(st.integers(1, longest), min_size=2, max_size=8))
    begin = draw(st.integers(0, 1))
    labels = np.repeat((np.arange(len(lengths)) + begin) % 2, lengths).astype(np.int8)
    scores = st.lists(st.integers(-10, 10), min_size=labels.size, max_size=labels.size)
    return labels, column(draw(scores))
