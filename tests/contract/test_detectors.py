"""Laws that every registered detector keeps, and oracles for what each computes."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.calendar import Calendar
from detectors.errors import NotEnoughHistoryError
from detectors.flat_line import LOOKBACK_ROWS, FlatLine
from detectors.group_pca import GroupPca
from detectors.prophet_band import FittedProphetBand, ProphetBand
from detectors.protocol import Detector, FittedDetector, Window
from detectors.registry import DETECTORS
from detectors.smoothing import causal_median

NAN = float("nan")
STEP_S = 300
DAY = 288
HISTORY = 5 * DAY
RECENT = 2 * DAY
SEED = 4
UTC = Calendar("UTC")
FloatArray = NDArray[np.float64]


def window(values: FloatArray, first: int = 0, calendar: Calendar = UTC) -> Window:
    times = np.datetime64("2026-03-02T00:05", "us") + (first + np.arange(len(values))) * np.timedelta64(STEP_S, "s")
    return Window(times, values, tuple(f"m{n}" for n in range(values.shape[1])), float(STEP_S), calendar)


def rhythm(rows: NDArray[np.int64]) -> FloatArray:
    return 50.0 + 10.0 * np.sin(2 * np.pi * rows / DAY)


def noise(name: str, rows: int) -> FloatArray:
    return np.random.default_rng(len(name)).normal(0.0, 1.0, (rows, 4))


def signal(name: str) -> FloatArray:
    """Return what a detector is made for: a rhythm, or the deviations of signals that move together."""
    rows = HISTORY + RECENT
    drawn = noise(name, rows)
    if name == "group_pca":
        together = drawn[:, :1]
        return np.asarray(0.3 * together + 0.1 * drawn[:, 1:], dtype=np.float64)
    values = rhythm(np.arange(rows)) + 0.5 * drawn[:, 0]
    # Rounding makes short runs, which are what a flat line is told from.
    return np.asarray(np.round(values, 1)[:, None], dtype=np.float64)


def fault(name: str, recent: FloatArray, first: int, last: int) -> FloatArray:
    """Return the recent values with the fault that a detector is made for."""
    broken = recent.copy()
    if name == "flat_line":
        broken[first:last] = broken[first]
    elif name == "group_pca":
        broken[first:last, 0] = -broken[first:last, 0] - 1.0
    else:
        broken[first:last] += 8.0
    return broken


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    detector: Detector
    history: Window
    recent: Window
    fitted: FittedDetector


@pytest.fixture(scope="session")
def cases() -> dict[str, Case]:
    found = {}
    for name, make in DETECTORS.items():
        values = signal(name)
        detector, history = make(SEED), window(values[:HISTORY])
        found[name] = Case(name, detector, history, window(values[HISTORY:], HISTORY), detector.fit(history))
    return found


@pytest.fixture(params=sorted(DETECTORS))
def case(request: pytest.FixtureRequest, cases: dict[str, Case]) -> Case:
    return cases[request.param]


def with_values(of: Window, values: FloatArray) -> Window:
    return replace(of, values=values)


def test_every_detector_goes_by_its_registered_name(case: Case) -> None:
    assert case.detector.name == case.name


def test_as_many_scores_come_out_as_rows_go_in(case: Case) -> None:
    for rows in (0, 1, 2, len(case.recent)):
        part = with_values(replace(case.recent, times=case.recent.times[:rows]), case.recent.values[:rows])
        assert case.fitted.score(part).shape == (rows,)


def test_scores_are_finite_and_not_negative(case: Case) -> None:
    scores = case.fitted.score(case.recent)
    assert np.isfinite(scores[case.detector.lookback_rows :]).all()
    assert (scores[~np.isnan(scores)] >= 0).all()


def test_an_injected_fault_outranks_what_is_normal(case: Case) -> None:
    first, last = DAY, DAY + 100
    scores = case.fitted.score(with_values(case.recent, fault(case.name, case.recent.values, first, last)))
    faulty, normal = scores[first + 10 : last], scores[10:first]
    auc = (faulty[:, None] > normal[None, :]).mean() + (faulty[:, None] == normal[None, :]).mean() / 2
    assert auc > 0.9


@pytest.mark.parametrize("kept", [1, 50, DAY, RECENT - 1])
def test_a_score_depends_on_no_later_row(case: Case, kept: int) -> None:
    values = fault(case.name, case.recent.values, DAY, DAY + 100)
    values[50:60, 0] = NAN
    whole = case.fitted.score(with_values(case.recent, values))
    cut = case.fitted.score(replace(case.recent, times=case.recent.times[:kept], values=values[:kept]))
    np.testing.assert_array_equal(cut, whole[:kept])


def test_a_score_depends_on_no_row_before_the_lookback(case: Case) -> None:
    values = fault(case.name, case.recent.values, 20, RECENT)
    values[100:110, 0] = NAN
    whole = case.fitted.score(with_values(case.recent, values))
    lookback = case.detector.lookback_rows
    for row in range(lookback, RECENT, 37):
        part = slice(row - lookback, row + 1)
        alone = case.fitted.score(replace(case.recent, times=case.recent.times[part], values=values[part]))
        np.testing.assert_array_equal(alone[-1], whole[row])


def test_what_is_missing_is_not_judged(case: Case) -> None:
    values = case.recent.values.copy()
    values[40:60] = NAN
    scores = case.fitted.score(with_values(case.recent, values))
    assert np.isnan(scores[40:60]).all()
    assert not np.isnan(scores[70:]).any()
    assert np.isnan(case.fitted.score(with_values(case.recent, np.full_like(values, NAN)))).all()


def test_the_input_is_left_alone(case: Case) -> None:
    history, recent = case.history.values.copy(), case.recent.values.copy()
    times = case.recent.times.copy()
    case.fitted.score(case.recent)
    np.testing.assert_array_equal(case.history.values, history)
    np.testing.assert_array_equal(case.recent.values, recent)
    np.testing.assert_array_equal(case.recent.times, times)


def test_the_same_history_and_seed_give_the_same_scores(case: Case) -> None:
    again = DETECTORS[case.name](SEED).fit(case.history)
    np.testing.assert_array_equal(again.score(case.recent), case.fitted.score(case.recent))


def test_a_fitted_detector_survives_pickling(case: Case) -> None:
    copy = pickle.loads(pickle.dumps(case.fitted))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(copy.score(case.recent), case.fitted.score(case.recent))
    assert copy.fitted_until == case.fitted.fitted_until


def test_it_says_until_when_it_was_fitted(case: Case) -> None:
    assert case.fitted.fitted_until.replace(tzinfo=None) == case.history.times[-1].item()


@pytest.mark.parametrize("wild", [1e12, -1e12])
def test_wild_values_stay_finite_and_rank_high(case: Case, wild: float) -> None:
    values = case.recent.values.copy()
    values[100:103] = wild
    scores = case.fitted.score(with_values(case.recent, values))
    assert not np.isinf(scores).any()
    if case.name != "flat_line":
        assert scores[102] > np.nanmax(scores[:100])


def test_a_few_wild_values_in_the_history_blind_nobody(case: Case) -> None:
    history = case.history.values.copy()
    history[[200, 700]] = 1e12
    fitted = case.detector.fit(with_values(case.history, history))
    scores = fitted.score(with_values(case.recent, fault(case.name, case.recent.values, DAY, DAY + 100)))
    assert np.nanmedian(scores[DAY + 10 : DAY + 100]) > np.nanquantile(scores[10:DAY], 0.99)


@pytest.mark.parametrize("level", [0.0, 7.5, -1e9])
def test_a_history_that_never_moves_divides_nothing_by_zero(case: Case, level: float) -> None:
    flat = with_values(case.history, np.full_like(case.history.values, level))
    try:
        fitted = case.detector.fit(flat)
    except NotEnoughHistoryError:
        assert case.name == "group_pca"
        return
    scores = fitted.score(with_values(case.recent, np.full_like(case.recent.values, level)))
    assert np.isfinite(scores[case.detector.lookback_rows :]).all()
    assert not np.isinf(fitted.score(case.recent)).any()


def test_too_little_history_is_refused(case: Case) -> None:
    values = case.history.values.copy()
    values[case.detector.min_history - 1 :] = NAN
    with pytest.raises(NotEnoughHistoryError):
        case.detector.fit(with_values(case.history, values))
    with pytest.raises(NotEnoughHistoryError):
        case.detector.fit(with_values(case.history, np.full_like(values, NAN)))


# Oracles.


def test_runs_are_followed_no_further_than_the_lookback_and_across_gaps() -> None:
    history = window(np.arange(300.0)[:, None] % 7)
    fitted = FlatLine().fit(history)
    values = np.full((LOOKBACK_ROWS + 20, 1), 3.0)
    values[5:8] = NAN
    lengths = fitted.score(window(values)) * fitted.longest_run
    assert lengths[:5].tolist() == [1, 2, 3, 4, 5]
    assert lengths[8] == 6
    assert lengths[-1] == LOOKBACK_ROWS + 1


def test_means_of_equal_readings_are_a_flat_line() -> None:
    fitted = FlatLine().fit(window(np.random.default_rng(1).normal(0.1, 0.01, (300, 1))))
    # Sums of one tenth, divided by how many there are, differ in the last bit.
    means = np.array([[sum([0.1] * n) / n] for n in range(1, 60)])
    assert len(np.unique(means)) > 1
    assert fitted.score(window(means))[-1] * fitted.longest_run == pytest.approx(59)


def test_p_values_of_runs_are_those_of_independent_repetitions() -> None:
    fitted = FlatLine().fit(window(np.repeat(np.arange(100.0), 5)[:, None]))
    assert (fitted.longest_run, fitted.rows) == (5, 500)
    # Half as long again as the longest seen is what comes once in the history.
    np.testing.assert_allclose(fitted.p_values(np.array([0.0, 1.5, 3.0])), [1.0, 1 / 500, 1 / 250_000])


def naive_median(values: list[float]) -> list[float]:
    found = []
    for row, value in enumerate(values):
        known = [v for v in values[max(row - 2, 0) : row + 1] if not np.isnan(v)]
        if np.isnan(value) or len(known) < 2:
            found.append(NAN)
        elif len(known) == 2:
            found.append(float(np.copysign(min(map(abs, known)), value)))
        else:
            found.append(sorted(known)[1])
    return found


@given(st.lists(st.just(NAN) | st.floats(-1e12, 1e12), max_size=20))
def test_the_causal_median_agrees_with_looking_at_three_rows(values: list[float]) -> None:
    found = causal_median(np.array(values, dtype=np.float64)[:, None])[:, 0]
    np.testing.assert_array_equal(found, naive_median(values))


def test_group_scores_are_pyods(cases: dict[str, Case]) -> None:
    from pyod.models.pca import PCA

    case = cases["group_pca"]
    oracle = PCA(svd_solver="full", random_state=SEED)
    smoothed = causal_median(case.history.values)
    oracle.fit(smoothed[~np.isnan(smoothed).any(axis=1)])
    expected = oracle.decision_function(causal_median(case.recent.values)[2:])
    np.testing.assert_allclose(case.fitted.score(case.recent)[2:], expected)


def test_a_missing_member_degrades_the_group_and_does_not_silence_it(cases: dict[str, Case]) -> None:
    case = cases["group_pca"]
    values = fault("group_pca", case.recent.values, DAY, DAY + 100)
    values[:, 2] = NAN
    scores = case.fitted.score(with_values(case.recent, values))
    assert not np.isnan(scores[2:]).any()
    assert np.median(scores[DAY + 10 : DAY + 100]) > np.quantile(scores[2:DAY], 0.95)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: np.column_stack([v, np.zeros(len(v))]),
        lambda v: np.column_stack([v, np.full(len(v), NAN)]),
        lambda v: np.column_stack([v, v[:, 0]]),
        lambda v: np.column_stack([v, v[:, 0] * 2 + v[:, 1]]),
    ],
    ids=["one never moves", "one never speaks", "one repeats another", "one follows from others"],
)
def test_a_member_that_adds_nothing_does_not_upset_the_group(
    cases: dict[str, Case], spoil: Callable[[FloatArray], FloatArray]
) -> None:
    case = cases["group_pca"]
    fitted = GroupPca(SEED).fit(window(spoil(case.history.values)))
    normal = fitted.score(window(spoil(case.recent.values), HISTORY))[2:]
    assert np.isfinite(normal).all()
    assert normal.max() < 100 * np.median(normal)
    broken = spoil(fault("group_pca", case.recent.values, DAY, DAY + 100))
    scores = fitted.score(window(broken, HISTORY))
    assert np.median(scores[DAY + 10 : DAY + 100]) > np.quantile(scores[2:DAY], 0.95)


def test_one_moving_signal_is_no_group() -> None:
    moving = np.random.default_rng(1).normal(size=(600, 1))
    with pytest.raises(NotEnoughHistoryError, match="1 moving"):
        GroupPca(SEED).fit(window(np.column_stack([moving, np.zeros(600)])))


@pytest.fixture(scope="session")
def clean_week() -> tuple[Window, FittedProphetBand]:
    """Return eight days of a rhythm without noise, weekends at half size, and what is learnt of them."""
    rows = np.arange(8 * DAY)
    day = rows // DAY
    size = np.where(day % 7 >= 5, 5.0, 10.0)
    history = window((50.0 + size * np.sin(2 * np.pi * (rows + 1) / DAY))[:, None])
    return history, ProphetBand().fit(history)


def test_the_profile_is_what_prophet_forecasts(clean_week: tuple[Window, FittedProphetBand]) -> None:
    import pandas as pd
    from prophet import Prophet

    history, fitted = clean_week
    slot = pd.DatetimeIndex(history.times).floor("15min")
    means = pd.Series(history.values[:, 0]).groupby(slot).mean()
    frame = pd.DataFrame({"ds": pd.DatetimeIndex(means.index) + pd.Timedelta("450s"), "y": means.to_numpy()})
    frame["off"] = frame.ds.dt.dayofweek >= 5
    frame["on"] = ~frame["off"]
    model = Prophet(
        growth="flat",
        yearly_seasonality=False,
        weekly_seasonality=False,
        daily_seasonality=False,
        uncertainty_samples=0,
    )
    model.add_seasonality("weekly", period=7, fourier_order=3)
    model.add_seasonality("work", period=1, fourier_order=8, condition_name="on")
    model.add_seasonality("rest", period=1, fourier_order=8, condition_name="off")
    forecast = model.fit(frame).predict(frame)["yhat"].to_numpy()
    centre, lower, upper = fitted.expect(frame["ds"].to_numpy().astype("datetime64[us]"))
    # The centre is the forecast plus the median residual of the slot, which a clean series has nearly none of.
    np.testing.assert_allclose(centre, forecast, atol=0.5)
    np.testing.assert_allclose(centre, frame["y"], atol=1.0)
    assert ((lower < centre) & (centre < upper)).all()


def test_between_slots_the_profile_is_drawn_straight(clean_week: tuple[Window, FittedProphetBand]) -> None:
    _, fitted = clean_week
    middle = np.datetime64("2026-03-04T10:07:30", "us")
    times = middle + np.array([0, 450, 900]) * np.timedelta64(1, "s")
    centre, lower, upper = fitted.expect(times)
    for line in (centre, lower, upper):
        assert line[1] == pytest.approx((line[0] + line[2]) / 2)
    slot = 2 * 96 + 40
    assert centre[0] == pytest.approx(fitted.centre[slot])


def test_the_profile_repeats_every_week_of_the_wall_clock() -> None:
    profile = np.arange(672.0)
    fitted = FittedProphetBand(
        window(np.zeros((1, 1))).times[0].item(), profile, profile - 1, profile + 1, Calendar("Europe/Bucharest")
    )
    # The weeks before and after the clock is put forward on 29 March 2026.
    times = np.array(["2026-03-25T08:00", "2026-04-01T07:00"], dtype="datetime64[us]")
    before, after = fitted.expect(times)[0]
    assert before == after


def test_the_band_holds_most_of_what_is_normal(cases: dict[str, Case]) -> None:
    case = cases["prophet_band"]
    inside = case.fitted.score(case.recent)[2:] < 1
    assert inside.mean() > 0.97


def test_a_day_is_too_short_for_a_daily_rhythm() -> None:
    with pytest.raises(NotEnoughHistoryError, match="2 are needed"):
        ProphetBand().fit(window(np.random.default_rng(1).normal(size=(570, 1))))
