"""How near simulated counts are to counted ones; the figures are those of `figures`, of workdays unless it says so."""

import gzip

import numpy as np
import pandas as pd
import pytest

from simulators.rhythm import DAY_US
from simulators.traffic import SMALL, Traffic
from simulators.traffic.counters import counter_values
from tests.paths import SHARED
from tests.simulators.traffic.conftest import CALENDAR, build

COUNTED = SHARED / "datasets" / "traffic-counts-2019"
_FIRST_DAY, _DAYS = 20_492, 28  # from 9 February 2026
_SLOTS = 96


def _figures(counts: pd.Series) -> tuple[dict[str, float], pd.Series]:
    """Return figures of counts per 15 min on a local clock, and the median workday."""
    slot = np.asarray(counts.index.hour * 4 + counts.index.minute // 15)  # type: ignore[attr-defined]
    free = np.asarray(counts.index.dayofweek) >= 5  # type: ignore[attr-defined]
    workdays = counts[~free].groupby(slot[~free])
    profile = workdays.median()
    hourly = profile.rolling(4, center=True, min_periods=1).mean()
    spread = ((workdays.quantile(0.75) - workdays.quantile(0.25)) / 1.349) ** 2 / workdays.mean().clip(lower=0.5)
    usual = counts.groupby(slot + _SLOTS * free).transform("median")
    residual = (counts - usual).where((slot >= 28) & (slot < 76))
    limit = float(residual.abs().quantile(0.99))
    residual = residual.clip(-limit, limit)
    return {
        "night": float(profile.iloc[4:18].mean() / hourly.max()),
        "dispersion_day": float(spread.iloc[28:76].median()),
        "dispersion_night": float(spread.iloc[4:18].median()),
        "lag_1": float(residual.corr(residual.shift(1))),
        "lag_4": float(residual.corr(residual.shift(4))),
        "weekend": float(counts[free].groupby(slot[free]).median().sum() / profile.sum()),
        "zero": float((counts == 0).mean()),
    }, profile / profile.mean()


@pytest.fixture(scope="module")
def simulated(small: Traffic) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the figures and the median workday of every third counter."""
    town = small.town
    days = range(_FIRST_DAY, _FIRST_DAY + _DAYS)
    flows = np.concatenate([counter_values(town, day, 300, ())[::3, 0] for day in days], axis=1)
    counts = flows.reshape(len(flows), -1, 3).sum(axis=2) / 12
    stamps = _FIRST_DAY * DAY_US + np.arange(counts.shape[1], dtype=np.int64) * 900_000_000
    clock = CALENDAR.wall_clock(stamps.view("datetime64[us]"))
    found = [_figures(pd.Series(one, index=clock)) for one in counts]
    return pd.DataFrame([one for one, _ in found]), pd.concat([profile for _, profile in found], axis=1)


def test_counts_are_as_uneven_as_real_ones(simulated: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    middle = simulated[0].median()
    assert 0.035 < middle["night"] < 0.075
    assert 2.3 < middle["dispersion_day"] < 4.5
    assert 1.0 < middle["dispersion_night"] < 2.0
    assert 0.25 < middle["lag_1"] < 0.6
    assert 0.2 < middle["lag_4"] < 0.55
    assert 0.7 < middle["weekend"] < 0.95
    assert middle["zero"] < 0.01


@pytest.mark.skipif(not COUNTED.is_dir(), reason="the counted series are not on this machine")
def test_counts_are_near_what_loops_counted_elsewhere(simulated: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    counted = []
    for path in sorted(COUNTED.glob("*.csv.gz"))[::3]:
        with gzip.open(path) as file:
            table = pd.read_csv(file, parse_dates=["time"])
        series = pd.Series(table["traffic_count"].to_numpy(), index=pd.DatetimeIndex(table["time"]).tz_localize(None))
        counted.append(_figures(series[:"2019-07-04"]))
    real, ours = pd.DataFrame([one for one, _ in counted]), simulated[0]
    profile = pd.concat([one for _, one in counted], axis=1).mean(axis=1)
    assert np.corrcoef(profile, simulated[1].mean(axis=1))[0, 1] > 0.97
    assert simulated[1].corrwith(profile).median() > 0.94
    for name in ("night", "dispersion_day", "dispersion_night", "weekend"):
        assert ours[name].median() == pytest.approx(real[name].median(), rel=0.35), name
    for name in ("lag_1", "lag_4"):
        assert ours[name].median() == pytest.approx(real[name].median(), abs=0.15), name


def test_flow_occupancy_and_speed_belong_together() -> None:
    traffic = build(SMALL)
    values = counter_values(traffic.town, _FIRST_DAY, 300, ())
    flow, occupancy, speed = values[:, 0], values[:, 1], values[:, 2]
    lanes = traffic.town.streets.lanes[traffic.town.counted][:, None]
    told = flow / lanes / speed * 0.63
    busy = flow > 300
    assert np.nanmedian(np.abs(told / occupancy - 1.0)[busy]) < 0.1
    assert 15.0 < np.nanquantile(speed, 0.05) < np.nanmedian(speed) < 50.0
    assert np.nanmax(occupancy) > 15.0
