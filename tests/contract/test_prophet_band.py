"""Oracles for the band around what Prophet expects."""

import numpy as np
import pytest

from core.calendar import Calendar
from detectors.errors import NotEnoughHistoryError
from detectors.prophet_band import FittedProphetBand, ProphetBand
from detectors.protocol import Window
from tests.contract.making import DAY, case_of, window


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


def test_the_band_holds_most_of_what_is_normal() -> None:
    case = case_of("prophet_band")
    inside = case.fitted.score(case.recent)[2:] < 1
    assert inside.mean() > 0.97


def test_a_day_is_too_short_for_a_daily_rhythm() -> None:
    with pytest.raises(NotEnoughHistoryError, match="2 are needed"):
        ProphetBand().fit(window(np.random.default_rng(1).normal(size=(570, 1))))
