"""A walk over recorded rows: knows nothing of the future, and says what the live loop would."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.calendar import Calendar
from core.errors import SettingsError
from core.settings import EngineSettings
from detectors.protocol import Window
from detectors.registry import DETECTORS
from engine.asset_model import FitTask, Judged, fit_asset
from engine.budget import CLOSE_BELOW, opening_p_value, share_of_budget
from engine.episodes import BEFORE, Hysteresis, find_episodes
from engine.grid import step_of
from engine.judging import Rules, judge_steps
from engine.plan import detectors_of, refit_interval
from engine.subject import Subject
from engine.walk import Walked, combined_p_values, odd_while_open, side_by_side, walk
from store.registry import StoredAsset, StoredSeries
from tests.engine.town import LIVE

NAN = float("nan")
HOUR = np.timedelta64(1, "h")
HISTORY = 35 * 24
ROWS = HISTORY + 16 * 24
FAULT = slice(HISTORY + 200, HISTORY + 212)
CALENDAR = Calendar("Europe/Bucharest", "RO")
OPEN_BELOW = opening_p_value(10.0, 3600)
SETTINGS = EngineSettings()
FloatArray = NDArray[np.float64]
COMBINED = "+".join(SETTINGS.detectors)
CHOICES = [*sorted(DETECTORS), COMBINED]


def rows(signals: int = 2) -> Window:
    """Return hourly rows of signals that share a daily rhythm, with gaps, missing values and a fault."""
    n = np.arange(ROWS)
    noise = np.random.default_rng(5).normal(0.0, 0.4, (ROWS, signals))
    values = 20 + 5 * np.sin(2 * np.pi * n / 24)[:, None] + noise
    values[FAULT] += 12.0
    values[HISTORY + 50 : HISTORY + 55, 0] = NAN
    times = np.datetime64("2026-02-02T00:00", "us") + n * HOUR
    kept = np.ones(ROWS, dtype=np.bool_)
    kept[[100, HISTORY + 90, HISTORY + 91]] = False
    return Window(times[kept], values[kept], tuple(f"m{k}" for k in range(signals)), 3600.0, CALENDAR)


def choosing(detectors: str, **changes: object) -> EngineSettings:
    return SETTINGS.model_copy(update={"detectors": tuple(detectors.split("+")), **changes})


def walked(window: Window, detectors: str = COMBINED, history: int = HISTORY - 1) -> Walked:
    return walk(window, history, OPEN_BELOW, choosing(detectors), lambda: 0.0)


@pytest.mark.parametrize("detectors", CHOICES)
def test_cutting_rows_off_the_end_changes_no_score_of_those_that_remain(detectors: str) -> None:
    window = rows()
    whole = walked(window, detectors)
    assert whole.cost.fits > 2
    assert np.isfinite(whole.scores[HISTORY:]).mean() > 0.5
    for kept in (HISTORY, HISTORY + 77, HISTORY + 209, len(window) - 1):
        cut = walked(window.rows(0, kept), detectors)
        np.testing.assert_array_equal(cut.scores, whole.scores[:kept])
        np.testing.assert_array_equal(cut.alarms, whole.alarms[:kept])


@pytest.mark.parametrize("detectors", CHOICES)
def test_the_history_is_not_judged_and_alarms_have_scores(detectors: str) -> None:
    found = walked(rows(), detectors)
    assert np.isnan(found.scores[: HISTORY - 1]).all()
    assert not found.alarms[: HISTORY - 1].any()
    assert np.isfinite(found.scores[found.alarms]).all()
    assert (found.scores[~np.isnan(found.scores)] >= 0).all()


def test_a_fault_is_found_and_ranks_above_the_rest() -> None:
    window = rows()
    found = walked(window)
    at = slice(FAULT.start - 3, FAULT.stop - 3)
    assert found.alarms[at].mean() > 0.5
    # Lags of twelve rows see it for as long again.
    assert found.alarms.sum() < 3 * 12
    assert np.nanmin(found.scores[at][2:]) > np.nanquantile(found.scores[HISTORY : at.start], 0.99)


def test_the_walk_says_what_the_live_loop_says() -> None:
    """Both are given the same rows on the loop's grid, and the same model."""
    window = rows()
    stop = HISTORY + 20
    found = walked(window.rows(0, stop))
    task = FitTask(0, (1, 2), window.rows(0, HISTORY - 1), LIVE, SETTINGS.seed, SETTINGS.detectors)
    model = fit_asset(task)
    series = tuple(StoredSeries(number, 1, "north", f"m{number - 1}", "", 3600.0, None, None) for number in (1, 2))
    steps = step_of(window.times, 3600)
    subject = subject_of(window.rows(0, stop), series, steps[:stop])
    live, _ = judge_steps(
        subject, model, int(steps[HISTORY - 1]), int(steps[stop - 1]), Rules(3600, CALENDAR, OPEN_BELOW), LIVE
    )
    p_values = [[row.p_value for row in live if row.time.replace(tzinfo=None) == t.item()] for t in window.times[:stop]]
    expected = [1 - (1 - min(p)) ** len(p) if p else NAN for p in p_values]
    np.testing.assert_allclose(10.0 ** -found.scores[HISTORY - 1 :], expected[HISTORY - 1 :], rtol=1e-6)


def subject_of(window: Window, series: tuple[StoredSeries, ...], steps: NDArray[np.int64]) -> Subject:
    from engine.grid import Grid

    grid = Grid.ending_at(int(steps[-1]), int(steps[-1] - steps[0]) + 1, len(series))
    for column in range(len(series)):
        known = ~np.isnan(window.values[:, column])
        grid.add(steps[known], np.full(known.sum(), column), window.values[known, column])
    return Subject(StoredAsset(1, "north", "water", "dma", "", None, None), series, grid)


def test_rows_in_an_alarm_are_not_learnt_from() -> None:
    window = rows(1)
    learnt: list[FloatArray] = []

    def remember(task: FitTask) -> object:
        learnt.append(task.history.values)
        return fit_asset(task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.walk.fit_asset", remember)
        found = walked(window)
    last = learnt[-1]
    assert found.alarms[: len(last)].any()
    assert np.isnan(last[found.alarms[: len(last)]]).all()
    assert np.isnan(last).sum() == found.alarms[: len(last)].sum() + np.isnan(window.values[: len(last)]).sum()


def test_no_more_is_learnt_from_than_the_settings_allow() -> None:
    lengths = []

    def remember(task: FitTask) -> object:
        lengths.append(len(task.history))
        return fit_asset(task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.walk.fit_asset", remember)
        walk(rows(1), HISTORY, OPEN_BELOW, choosing(COMBINED, history_days=22.0), lambda: 0.0)
    assert max(lengths) == 22 * 24


def test_after_a_long_silence_the_past_is_still_what_is_known() -> None:
    window = rows(1)
    late = np.arange(len(window)) >= HISTORY - 1
    silent = replace(window, times=np.where(late, window.times + np.timedelta64(500, "D"), window.times))
    for detectors in (COMBINED, "slot_median"):
        assert np.isfinite(walked(silent, detectors).scores[HISTORY:]).mean() > 0.9


@pytest.mark.parametrize("history", [0, 1, 5])
def test_without_history_it_learns_as_it_goes(history: int) -> None:
    found = walked(rows(1), "flat_line+prophet_band", history)
    assert np.isnan(found.scores[:30]).all()
    assert np.isfinite(found.scores[HISTORY:]).mean() > 0.9


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: np.full_like(v, 3.0),
        lambda v: np.full_like(v, NAN),
        lambda v: v[:1],
        lambda v: v[:0],
        lambda v: np.where(np.arange(len(v))[:, None] % 97 == 0, 1e12, v),
        lambda v: -v,
        lambda v: v * 1e-9,
    ],
    ids=["constant", "all missing", "one row", "no row", "wild", "negative", "tiny"],
)
@pytest.mark.parametrize("detectors", CHOICES)
def test_odd_input_gives_a_result(detectors: str, spoil: Callable[[FloatArray], FloatArray]) -> None:
    window = rows(1)
    values = spoil(window.values)
    odd = replace(window, times=window.times[: len(values)], values=values)
    found = walked(odd, detectors)
    assert found.scores.shape == (len(values),)
    assert not np.isinf(found.scores).any()


def test_what_no_detector_can_judge_says_why() -> None:
    found = walked(rows(1).rows(0, 60), "prophet_band", 40)
    assert np.isnan(found.scores).all()
    assert found.unfitted == {}
    found = walked(rows(1).rows(0, HISTORY + 5), "prophet_band+group_pca")
    assert set(found.unfitted) == {"0:group_pca"}


def test_walks_side_by_side_are_one() -> None:
    one, other = (walked(rows().column(index), "flat_line") for index in range(2))
    both = side_by_side([one, other])
    np.testing.assert_array_equal(both.alarms, one.alarms | other.alarms)
    # Where only one of them has a value, it speaks alone.
    missing = np.isnan(one.scores) & ~np.isnan(other.scores)
    assert missing.any()
    np.testing.assert_allclose(both.scores[missing], other.scores[missing], atol=1e-9)
    p = np.minimum(10.0**-one.scores, 10.0**-other.scores)[HISTORY:]
    known = ~np.isnan(p)
    np.testing.assert_allclose(10.0 ** -both.scores[HISTORY:][known], 1 - (1 - p[known]) ** 2, rtol=1e-6)


def judged(*p_values: float) -> Judged:
    array = np.array(p_values, dtype=np.float64)
    return Judged(1, "any", array, array)


def test_the_rarest_of_several_judgements_counts_for_how_many_there_were() -> None:
    # By hand: 1 - (1 - 0.1)^2 = 0.19; a single 0.3 is itself; nobody judged the third row.
    found = combined_p_values([judged(0.1, 0.3, NAN), judged(0.5, NAN, NAN)], 3)
    np.testing.assert_allclose(found, [0.19, 0.3, NAN])
    assert combined_p_values([judged(1e-300), judged(1.0)], 1)[0] == pytest.approx(2e-300)
    assert combined_p_values([judged(1.0), judged(1.0)], 1)[0] == 1.0
    assert np.isnan(combined_p_values([], 2)).all()


@given(st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=6))
def test_more_judgements_make_a_row_no_rarer_than_its_rarest(p_values: list[float]) -> None:
    combined = combined_p_values([judged(p) for p in p_values], 1)[0]
    assert min(p_values) * (1 - 1e-9) <= combined <= min(1.0, len(p_values) * min(p_values)) * (1 + 1e-9)


rare = st.sampled_from([1e-9, 0.01, 0.5, NAN])


@given(st.lists(rare, max_size=30), st.integers(0, 30))
def test_alarms_lie_in_episodes_and_are_known_at_once(values: list[float], split: int) -> None:
    p_values = np.array(values, dtype=np.float64)
    episodes = find_episodes(p_values, 1e-6, CLOSE_BELOW, open_before=False)
    whole = odd_while_open(Hysteresis(), p_values, 1e-6)
    inside = np.zeros(len(values), dtype=np.bool_)
    for episode in episodes:
        opened = next(row for row in range(episode.first, episode.last + 1) if p_values[row] < 1e-6)
        inside[opened : episode.last + 1] = p_values[opened : episode.last + 1] < CLOSE_BELOW
    np.testing.assert_array_equal(whole, inside)
    state = Hysteresis()
    parts = [odd_while_open(state, part, 1e-6) for part in (p_values[:split], p_values[split:])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert BEFORE < 0


def test_a_budget_is_shared_by_those_who_judge_a_series() -> None:
    assert share_of_budget(1e-5, 2, 5) == pytest.approx(4e-6)
    assert share_of_budget(1e-5, 40, 1) == pytest.approx(4e-4)
    assert share_of_budget(0.04, 40, 1) == CLOSE_BELOW
    assert share_of_budget(1e-5, 1, 0) == 1e-5


@pytest.mark.parametrize(("days", "after_h"), [(0.1, 24), (5, 24), (14, 67.2), (60, 288), (365, 504)])
def test_a_model_is_due_when_there_is_a_fifth_more_to_learn_from(days: float, after_h: float) -> None:
    assert refit_interval(timedelta(days=days), SETTINGS) == timedelta(hours=after_h)


def test_an_unknown_detector_is_named_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match=r"no detector named crystal_ball.*there are: .*flat_line"):
        detectors_of(choosing("flat_line+crystal_ball"))
    assert detectors_of(choosing("flat_line+flat_line")) == ("flat_line",)
