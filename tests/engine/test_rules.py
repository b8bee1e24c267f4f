"""Budget, severity, silence and sealing."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.budget import CLOSE_BELOW, opening_p_value
from engine.city import sealed_step
from engine.grid import Grid
from engine.severity import severity
from engine.silence import Heard, feed_is_silent, silent_series
from engine.subject import Subject, step_at
from engine.training import span_end
from store.registry import StoredAsset, StoredSeries

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASSET = StoredAsset(1, "north", "water", "dma", "", None, None)


def series(number: int, interval_s: float | None) -> StoredSeries:
    return StoredSeries(number, 1, "north", f"flow_{number}", "m3/h", interval_s, None, None)


def test_a_thousand_series_use_up_the_budget_in_a_week() -> None:
    judged_a_week = 7 * 24 * 12
    assert opening_p_value(10.0, 300) * 1000 * judged_a_week == pytest.approx(10.0)


def test_no_budget_opens_above_what_closes() -> None:
    assert opening_p_value(1e9, 300) == CLOSE_BELOW


def test_severity_grows_with_rarity_duration_and_what_hangs_on_the_asset() -> None:
    def at(kind: str = "dma", p_value: float = 1e-8, hours: float = 1.0) -> float:
        return severity(kind, p_value, 5e-6, timedelta(hours=hours))

    assert at() < at(p_value=1e-10) < at(p_value=1e-10, hours=3)
    assert at("lamp") < at("feeder") < at("dma")
    assert at(p_value=5e-6, hours=0) == 40.0
    assert at(p_value=0.0, hours=100) == at(p_value=5e-12, hours=6) == 100.0


def heard(minutes_ago: float, interval_s: float) -> Heard:
    return Heard(series(1, interval_s), NOW - timedelta(minutes=minutes_ago), interval_s)


@pytest.mark.parametrize(
    ("minutes_ago", "interval_s", "silent"),
    [(14, 1, False), (16, 1, True), (34, 300, False), (36, 300, True), (400, 3600, False), (430, 3600, True)],
)
def test_silence_is_a_matter_of_the_series_own_rhythm(minutes_ago: float, interval_s: float, silent: bool) -> None:
    assert bool(silent_series([heard(minutes_ago, interval_s)], NOW, NOW, 6)) is silent


def test_silence_is_measured_against_the_rest_of_the_feed_and_the_clock() -> None:
    quiet = heard(60, 60)
    assert not silent_series([quiet], NOW - timedelta(minutes=50), NOW, 6)
    assert not silent_series([quiet], NOW + timedelta(hours=1), NOW - timedelta(minutes=50), 6)


def test_more_than_half_silent_is_the_feed() -> None:
    assert [feed_is_silent(silent, 4) for silent in range(5)] == [False, False, False, True, True]
    assert not feed_is_silent(1, 1)


def subject(*intervals: float | None, counts: list[list[int]]) -> Subject:
    """Return an asset whose last step ends at noon."""
    made = Subject(
        ASSET,
        tuple(series(n, interval) for n, interval in enumerate(intervals)),
        Grid.ending_at(step_at(NOW, 300), len(counts), len(intervals)),
    )
    made.grid.counts[:] = counts
    return made


def sealed_steps_before_noon(made: Subject, watermark: datetime) -> int:
    return step_at(NOW, 300) - sealed_step(made, watermark, 300)


@pytest.mark.parametrize(("late_s", "before_noon"), [(0, 0), (1, 1), (299, 1), (300, 1), (301, 2)])
def test_a_step_is_sealed_when_the_watermark_has_passed_its_end(late_s: int, before_noon: int) -> None:
    made = subject(60.0, counts=[[5], [5], [5]])
    assert sealed_steps_before_noon(made, NOW - timedelta(seconds=late_s)) == before_noon


def test_a_slow_asset_is_sealed_as_soon_as_all_have_spoken() -> None:
    watermark = NOW - timedelta(seconds=360)
    assert sealed_steps_before_noon(subject(300.0, None, counts=[[1, 1], [1, 1], [1, 1]]), watermark) == 0
    assert sealed_steps_before_noon(subject(300.0, None, counts=[[1, 1], [1, 1], [1, 0]]), watermark) == 1
    assert sealed_steps_before_noon(subject(300.0, None, counts=[[1, 1], [1, 0], [1, 1]]), watermark) == 2
    assert sealed_steps_before_noon(subject(300.0, 60.0, counts=[[1, 1], [1, 1], [1, 1]]), watermark) == 2
    assert sealed_steps_before_noon(subject(300.0, None, counts=[[1, 9], [1, 9], [1, 9]]), watermark) == 2


def test_nothing_is_sealed_that_is_not_held() -> None:
    assert sealed_steps_before_noon(subject(60.0, counts=[[5], [5]]), NOW + timedelta(days=1)) == 0


def test_a_model_learns_from_whole_steps() -> None:
    assert span_end(NOW, 300) == NOW
    assert span_end(NOW + timedelta(seconds=299), 300) == NOW


def test_p_values_keep_their_step_when_the_grid_moves_on() -> None:
    made = subject(60.0, counts=[[1], [1], [1]])
    made.p_values[1, "x"] = np.array([0.1, 0.2, 0.3])
    made.advance_to(made.grid.last + 2)
    np.testing.assert_array_equal(made.p_values[1, "x"], [0.3, np.nan, np.nan])
    made.advance_to(made.grid.last + 50)
    assert np.isnan(made.p_values[1, "x"]).all()
    assert len(made.p_values[1, "x"]) == len(made.grid.sums) == 3
