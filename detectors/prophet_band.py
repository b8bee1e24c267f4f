"""A band around what Prophet expects of one series.

Prophet gives the centre: a level, a weekly rhythm and a daily one that differs between working days and weekends.
The band around it is the series' own: quantiles of the residuals at that time of day, because a lamp's residuals at
dusk are not those at noon. They are residuals of days that the fit has not seen (a harmonic regression on Prophet's
own terms stands in for it, a hundred times faster), because a model flatters itself on what it has learnt. With a
flat trend the forecast repeats every week of the wall clock, so it is kept as one week's profile, good for any date.

Source: Taylor and Letham (2018), *Forecasting at Scale*, doi:10.1080/00031305.2017.1380080. Deviation: bands come
from residual quantiles instead of sampled trends.
"""

import logging
import math
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.calendar import DAY_S, WEEK_S, Calendar
from detectors.errors import NotEnoughHistoryError
from detectors.protocol import Scope, Window
from detectors.smoothing import MEDIAN_ROWS, causal_median
from detectors.windows import fitted_until

NAME = "prophet_band"
"""Name of the detector in records."""

SLOT_S = 900
"""Length of a slot of the profile: 15 minutes."""

HISTORY_DAYS = 56
"""No more of what was measured is learnt from: a level that does not move holds for a season, not for a year."""

_FIT_STEP_S, _LONG_FIT_STEP_S = 1_800, 3_600
"""Prophet is fitted on means of half an hour, of an hour where there are four weeks of them: eight waves a day need no
more, and its time grows with its rows."""

_LONG_FROM = np.timedelta64(28, "D")

_SLOTS_A_DAY = DAY_S // SLOT_S
_SLOTS_A_WEEK = WEEK_S // SLOT_S
_LEAST_POOLED = 20
"""Fewer residuals say nothing of a 1 % quantile."""

_NEIGHBOURS = 2
"""Slots to each side whose residuals count for a slot too: dusk and rush hours move from day to day."""

_OUTER = (0.01, 0.99)
"""Quantiles of the residuals that the band reaches to."""

_FLOOR_SHARE = 0.25
"""A slot's half-width is at least this share of the whole series': a quiet hour of a fortnight is not all there is."""

_CAP = 20.0
"""Deviations count no further than this many half-widths."""

_WILD_SPANS = 10.0
"""A value of the history counts as wild from this many spans of the usual ones on outside of them."""

_WEEKEND = 5
_NO_HOLIDAYS = Calendar("UTC")
"""For the profile's own week, which stands for any."""

_WEEKLY_FROM_DAYS = 7
_DAILY_ORDER = 8
_WEEKLY_ORDER = 3
_FOLD_DAYS = 2
_MOST_FOLDS = 14
_RIDGE = 1e-4


@dataclass(frozen=True, slots=True)
class FittedProphetBand:
    """One week's profile of centre, lower and upper, at the middle of each slot of the local week.

    Attributes
    ----------
    fitted_until
        Event time of the last row of history, in UTC.
    centre, lower, upper
        Shape (672,), in the series' unit; lower < centre < upper.
    calendar
        Of the local week; a holiday is a Sunday.
    """

    fitted_until: datetime
    centre: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    calendar: Calendar

    def expect(
        self, times: NDArray[np.datetime64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return centre, lower and upper at UTC times; three arrays of shape (n,), in the series' unit."""
        position = (self.calendar.second_of_week(times) - SLOT_S / 2) / SLOT_S
        slots = np.arange(_SLOTS_A_WEEK)
        centre, lower, upper = (
            np.interp(position, slots, profile, period=_SLOTS_A_WEEK)
            for profile in (self.centre, self.lower, self.upper)
        )
        return centre, lower, upper

    def deviations(self, recent: Window) -> NDArray[np.float64]:
        """Return how many half-widths of the band each value lies from the centre, signed; shape (n,)."""
        centre, lower, upper = self.expect(recent.times)
        residual = recent.values[:, 0] - centre
        half_width = np.where(residual < 0, centre - lower, upper - centre)
        return np.clip(residual / half_width, -_CAP, _CAP)

    def score(self, recent: Window, /) -> NDArray[np.float64]:
        """Return the size of the median deviation of each row and the two before it; 1 = at the band's edge."""
        return np.abs(causal_median(self.deviations(recent)[:, None])[:, 0])


@dataclass(frozen=True, slots=True)
class ProphetBand:
    """Fits a `FittedProphetBand` to one series."""

    name: str = NAME
    scope: Scope = Scope.SERIES
    min_history: int = 500
    lookback_rows: int = MEDIAN_ROWS - 1

    def fit(self, history: Window, /) -> FittedProphetBand:
        """Learn level, rhythms and residuals of one series.

        Takes about 0.1 s for a fortnight, nearly all of it Prophet's, on means over half an hour.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than `min_history` rows have a value, or they span less than two days.
        """
        known, calendar = self._known(history), history.calendar
        profile = _forecast_week(_means(known.times, known.values, calendar), weekly=known.weekly)
        residuals = _unseen_residuals(known.times, known.values, calendar, weekly=known.weekly)
        centre, lower, upper = _with_band(profile, residuals, known.times, known.values, calendar)
        return FittedProphetBand(fitted_until(history), centre, lower, upper, calendar)

    def unseen_deviations(self, history: Window) -> NDArray[np.float64]:
        """Return the history's deviations as if each day had come after the fit; shape (n,), in half-widths.

        They are what p-values are calibrated on. Centre and width of the band come from the other days as well: a
        fortnight has fourteen noons, and a width that knows them all would promise more than it keeps. NaN where no
        fit looks, before the last `HISTORY_DAYS`.

        Raises
        ------
        NotEnoughHistoryError
            As for `fit`.
        """
        known = self._known(history)
        residuals = _unseen_residuals(known.times, known.values, history.calendar, weekly=known.weekly)
        slots = (history.calendar.second_of_week(known.times) % DAY_S) // SLOT_S
        unseen = np.empty_like(residuals)
        folds = _folds(known.times)
        for held_out in np.unique(folds):
            mine, others = folds == held_out, folds != held_out
            low, middle, high = _slot_quantiles(residuals[others], slots[others])[:, slots[mine]]
            floor = _half_width_floor(residuals[others], known.values[others])
            shifted = residuals[mine] - middle
            half_width = np.maximum(np.where(shifted < 0, middle - low, high - middle), floor)
            unseen[mine] = np.clip(shifted / half_width, -_CAP, _CAP)
        deviations = np.full(len(history), np.nan)
        deviations[known.rows] = unseen
        return deviations

    def unseen_scores(self, history: Window, /) -> NDArray[np.float64]:
        """Return the size of the smoothed deviations of `unseen_deviations`."""
        return np.abs(causal_median(self.unseen_deviations(history)[:, None])[:, 0])

    def _known(self, history: Window) -> "_Known":
        """Return what may be learnt from."""
        values = _without_wild(history.values[:, 0])
        rows = np.flatnonzero(~np.isnan(values))[-math.ceil(HISTORY_DAYS * DAY_S / history.step_s) :]
        if rows.size < self.min_history:
            raise NotEnoughHistoryError(f"{rows.size} values are too few for a band; {self.min_history} are needed")
        times = history.times[rows]
        span_days = (times[-1] - times[0]) / np.timedelta64(1, "D")
        if span_days < 2:  # noqa: PLR2004 - a daily rhythm shows only when it comes back
            raise NotEnoughHistoryError(f"{span_days:.1f} days are too short for a daily rhythm; 2 are needed")
        return _Known(rows, times, values[rows], span_days >= _WEEKLY_FROM_DAYS)


class _Known(NamedTuple):
    """The rows of a history that may be learnt from, their times and values, and whether a week's rhythm shows."""

    rows: NDArray[np.int64]
    times: NDArray[np.datetime64]
    values: NDArray[np.float64]
    weekly: bool


def _folds(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the number of the block of days that each time lies in; at least two blocks, and not many more than 14."""
    day = (times - times[0]) // np.timedelta64(1, "D")
    length = max(_FOLD_DAYS, int(day[-1]) // _MOST_FOLDS)
    blocks: NDArray[np.int64] = np.minimum(day // length, max(int(day[-1]) // length, 1)).astype(np.int64)
    return blocks


def _without_wild(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values, with NaN for those so far out that a fit on them would learn nothing else.

    Where nearly all values are the same, nothing is far out: what rarely moves is not wild when it does.
    """
    if np.isnan(values).all():
        return values.copy()
    low, high = np.nanquantile(values, _OUTER)
    reach = _WILD_SPANS * (high - low)
    if reach <= 0:
        return values.copy()
    return np.where((values < low - reach) | (values > high + reach), np.nan, values)


def _unseen_residuals(
    times: NDArray[np.datetime64], values: NDArray[np.float64], calendar: Calendar, *, weekly: bool
) -> NDArray[np.float64]:
    """Return the residual of each value against a fit on the other blocks of days; shape (n,)."""
    terms = _harmonics(calendar.wall_clock(times), calendar, weekly=weekly)
    fold = _folds(times)
    residuals = np.empty_like(values)
    penalty = _RIDGE * np.eye(terms.shape[1])
    penalty[0, 0] = 0.0
    # What all rows but a block's add up to is the whole less the block: one pass instead of one for each block.
    gram, moment = terms.T @ terms, terms.T @ values
    for held_out in np.unique(fold):
        mine = fold == held_out
        seen = len(values) - int(mine.sum())
        block = terms[mine]
        others = (gram - block.T @ block) / seen + penalty
        weights = np.linalg.solve(others, (moment - block.T @ values[mine]) / seen)
        residuals[mine] = values[mine] - block @ weights
    return residuals


def _harmonics(clock: pd.DatetimeIndex, calendar: Calendar, *, weekly: bool) -> NDArray[np.float64]:
    """Return the terms that Prophet is given, as columns; the first is the level."""
    day = (clock.hour * 3600 + clock.minute * 60 + clock.second).to_numpy() / DAY_S
    columns = [np.ones(len(clock))]
    daily = [wave(2 * np.pi * order * day) for order in range(1, _DAILY_ORDER + 1) for wave in (np.sin, np.cos)]
    if not weekly:
        return np.column_stack(columns + daily)
    weekday = calendar.weekday(clock)
    weekend = np.asarray(weekday >= _WEEKEND, dtype=np.float64)
    week = (weekday + day) / 7
    columns += [wave(2 * np.pi * order * week) for order in range(1, _WEEKLY_ORDER + 1) for wave in (np.sin, np.cos)]
    columns += [term * weekend for term in daily] + [term * (1 - weekend) for term in daily]
    return np.column_stack(columns)


def _means(times: NDArray[np.datetime64], values: NDArray[np.float64], calendar: Calendar) -> pd.DataFrame:
    """Return means over half an hour or an hour of the wall clock, as Prophet wants them."""
    step_s = _LONG_FIT_STEP_S if times[-1] - times[0] >= _LONG_FROM else _FIT_STEP_S
    clock = calendar.wall_clock(times).floor(f"{step_s}s")
    means = pd.Series(values).groupby(clock).mean()
    middle = pd.DatetimeIndex(means.index) + pd.Timedelta(seconds=step_s / 2)
    return _with_conditions(pd.DataFrame({"ds": middle, "y": means.to_numpy()}), calendar)


def _with_conditions(frame: pd.DataFrame, calendar: Calendar) -> pd.DataFrame:
    weekend = calendar.weekday(pd.DatetimeIndex(frame["ds"])) >= _WEEKEND
    return frame.assign(weekend=weekend, working_day=~weekend)


def _forecast_week(observed: pd.DataFrame, *, weekly: bool) -> NDArray[np.float64]:
    """Return what Prophet expects of each slot of the local week; shape (672,)."""
    # Prophet complains of a plotting library that we do not need, Stan tells of each fit; both as they are imported.
    logging.getLogger("prophet.plot").setLevel(logging.CRITICAL)
    # Both set their own levels when they are first used, and say on import what they could not import.
    for chatty in ("cmdstanpy", "prophet.plot"):
        logging.getLogger(chatty).disabled = True
    from prophet import Prophet

    # Each rhythm is switched on by name: Prophet's own choice depends on the exact number of rows.
    model = Prophet(
        growth="flat",
        yearly_seasonality=False,
        weekly_seasonality=False,
        daily_seasonality=False,
        uncertainty_samples=0,
    )
    if weekly:
        model.add_seasonality("weekly", period=7, fourier_order=_WEEKLY_ORDER)
        model.add_seasonality("daily_working_day", period=1, fourier_order=_DAILY_ORDER, condition_name="working_day")
        model.add_seasonality("daily_weekend", period=1, fourier_order=_DAILY_ORDER, condition_name="weekend")
    else:
        model.add_seasonality("daily", period=1, fourier_order=_DAILY_ORDER)
    model.fit(observed)
    monday = pd.Timestamp("2024-01-01") + pd.Timedelta(seconds=SLOT_S / 2)
    week = pd.DataFrame({"ds": pd.date_range(monday, periods=_SLOTS_A_WEEK, freq=f"{SLOT_S}s")})
    return np.asarray(model.predict(_with_conditions(week, _NO_HOLIDAYS))["yhat"], dtype=np.float64)


def _with_band(
    profile: NDArray[np.float64],
    residuals: NDArray[np.float64],
    times: NDArray[np.datetime64],
    values: NDArray[np.float64],
    calendar: Calendar,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return centre, lower and upper of each slot of the week, from the residuals of each slot of the day."""
    quantiles = _slot_quantiles(residuals, (calendar.second_of_week(times) % DAY_S) // SLOT_S)
    low, middle, high = np.tile(quantiles, _SLOTS_A_WEEK // _SLOTS_A_DAY)
    floor = _half_width_floor(residuals, values)
    centre = profile + middle
    return centre, np.minimum(profile + low, centre - floor), np.maximum(profile + high, centre + floor)


def _slot_quantiles(residuals: NDArray[np.float64], slots: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return low, middle and high quantile of the residuals around each slot of the day; shape (3, 96)."""
    wanted = np.array([_OUTER[0], 0.5, _OUTER[1]])
    quantiles = np.repeat(np.quantile(residuals, wanted)[:, None], _SLOTS_A_DAY, axis=1)
    around = np.concatenate([(slots + shift) % _SLOTS_A_DAY for shift in range(-_NEIGHBOURS, _NEIGHBOURS + 1)])
    order = np.lexsort((np.tile(residuals, 2 * _NEIGHBOURS + 1), around))
    pooled = np.tile(residuals, 2 * _NEIGHBOURS + 1)[order]
    counts = np.bincount(around, minlength=_SLOTS_A_DAY)
    enough = np.flatnonzero(counts >= _LEAST_POOLED)
    # Between the two residuals that a quantile lies between, on a straight line, as NumPy has it.
    position = wanted[:, None] * (counts[enough] - 1)
    below = np.floor(position).astype(np.int64)
    at = (np.cumsum(counts) - counts)[enough] + below
    low, high = pooled[at], pooled[np.minimum(at + 1, len(pooled) - 1)]
    quantiles[:, enough] = low + (position - below) * (high - low)
    return quantiles


def _half_width_floor(residuals: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    overall = float(np.quantile(np.abs(residuals - np.median(residuals)), 0.95))
    # Half of the smallest step between two values is what the instrument itself cannot tell apart.
    steps = np.diff(np.unique(values))
    resolution = float(steps.min()) / 2 if steps.size else 0.0
    magnitude = float(np.median(np.abs(values)))
    return max(_FLOOR_SHARE * overall, resolution, 1e-6 * magnitude, 1e-9)
