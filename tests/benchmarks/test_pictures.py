"""Pictures: that they are drawn, whatever the series look like."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scorecard.panel import strips_of
from benchmarks.scorecard.pictures import draw
from benchmarks.scorecard.spans import JudgedRows, choose, spans_of
from benchmarks.scorecard.timeaxis import marks
from tests.benchmarks.making import judged, labelled

ROWS = 60 * 96
FIRST = 40 * 96
"""So many rows of history, at a quarter of an hour each."""


def flags(*stretches: tuple[int, int]) -> str:
    marks = np.zeros(ROWS, dtype=np.int64)
    for start, stop in stretches:
        marks[start:stop] = 1
    return "".join(map(str, marks))


def town(signals: int = 1, longest: int = 40, gap: bool = False) -> JudgedRows:
    """Return a series with a find, a miss of `longest` rows and a false alarm."""
    day = np.sin(np.arange(ROWS) * 2 * np.pi / 96)
    values = np.column_stack([10.0 + day * (1 + signal) for signal in range(signals)])
    values[FIRST + 10 : FIRST + 20] += 5.0
    if gap:
        values[FIRST + 12 : FIRST + 400] = np.nan
    return judged(
        flags((FIRST + 10, FIRST + 20), (FIRST + 100, FIRST + 100 + longest)),
        flags((FIRST + 14, FIRST + 18), (ROWS - 50, ROWS - 48)),
        first=FIRST,
        labelled=labelled(units={"s": "m3/h"}),
        metrics=tuple(f"s{signal}" for signal in range(signals)),
        values=values,
    )


@pytest.mark.parametrize(
    ("first", "last", "labels"),
    [
        ("2026-07-23 05:00", "2026-08-05", ["24 Jul", "27 Jul", "30 Jul", "02 Aug", "05 Aug"]),
        ("2026-03-01 10:00", "2026-03-02 09:00", ["12:00", "18:00", "02 Mar", "06:00"]),
        ("2026-03-01 10:02", "2026-03-01 10:59", ["10:15", "10:30", "10:45"]),
        ("2026-03-01 10:00:03", "2026-03-01 10:00:20", ["10:00:05", "10:00:10", "10:00:15", "10:00:20"]),
        ("2026-01-20", "2026-05-02", ["Feb", "Mar", "Apr", "May"]),
        ("2026-03-01", "2026-03-01", ["01 Mar"]),
    ],
)
def test_a_time_axis_has_round_marks(first: str, last: str, labels: list[str]) -> None:
    times, said = marks(pd.Timestamp(first), pd.Timestamp(last))
    assert said == labels
    assert len(times) == len(labels)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)), st.integers(60, 200_000_000))  # noqa: DTZ001 - UTC
def test_a_time_axis_has_some_marks_and_not_too_many(first: datetime, seconds: int) -> None:
    begin = pd.Timestamp(first)
    times, _ = marks(begin, begin + pd.Timedelta(seconds=seconds))
    assert 1 <= len(times) <= 7
    assert (np.diff(times) > np.timedelta64(0)).all()


@pytest.mark.parametrize(
    "make",
    [
        town,
        lambda: town(signals=3),
        lambda: town(signals=2, longest=1500),
        lambda: town(gap=True),
        lambda: town(signals=2, gap=True),
    ],
    ids=["one signal", "a group", "months", "gaps", "a group with gaps"],
)
def test_a_picture_is_drawn_and_small(tmp_path: Path, make: Callable[[], JudgedRows]) -> None:
    chosen = choose(spans_of(make()))
    assert len(chosen) == 3
    path = tmp_path / "images" / "town.png"
    draw(path, chosen, 1)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size < 150_000


def test_the_same_figures_make_the_same_picture(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw(tmp_path / f"{name}.png", choose(spans_of(town(signals=2))), 1)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_months_are_shown_by_the_mean_of_each_day() -> None:
    miss = max(spans_of(town(longest=1500)), key=lambda span: span.length)
    strip = strips_of(miss)[0]
    assert strip.daily is not None
    assert np.nanstd(strip.daily[200:-200]) < 0.2 * np.nanstd(strip.values)
    assert np.isnan(strip.usual).all()
