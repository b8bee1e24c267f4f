import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from core.errors import SettingsError
from detectors.protocol import Window
from engine.asset_model import AssetModel, FitTask, fit_asset
from engine.fitting import Fitter, open_fitter
from tests.engine.town import BEGIN, LIVE, RULES, SETTINGS, STEP_S, times

FOREIGN = "tcp://127.0.0.1:1"


def task(rows: int = 1440, asset_id: int = 1) -> FitTask:
    values = np.random.default_rng(1).normal(10.0, 1.0, (rows, 2))
    at = np.array([time.replace(tzinfo=None) for time in times(BEGIN, LIVE)][:rows], dtype="datetime64[us]")
    history = Window(at, values, ("flow", "level"), float(STEP_S), RULES.calendar)
    return FitTask(asset_id, (11, 12), history, LIVE, SETTINGS.seed, SETTINGS.detectors)


@pytest.fixture(scope="module")
def model() -> AssetModel:
    return fit_asset(task())


def test_processes_fit_the_same_model_and_give_up_what_has_not_begun_when_closed(model: AssetModel) -> None:
    with open_fitter(1, None) as fitter:
        (found,) = fitter.fit([task()])
        waiting = fitter.fit_later([task(asset_id=number) for number in range(100)])
    assert isinstance(found, AssetModel)
    assert found.version == model.version
    ours, theirs = model.series[11].band, found.series[11].band
    assert ours is not None
    assert theirs is not None
    np.testing.assert_array_equal(theirs.centre, ours.centre)
    # Dask hands work over bit by bit: the next bit finds the pool closed, or its own cancelled.
    with pytest.raises((CancelledError, RuntimeError)):
        waiting.result(0)


def test_a_history_that_cannot_be_fitted_costs_the_others_nothing() -> None:
    broken = replace(task(), series_ids=(11, 12, 13))
    with ThreadPoolExecutor(1) as thread:
        outcomes = Fitter({"scheduler": "synchronous"}, thread).fit([broken, task(20), broken])
    assert isinstance(outcomes[0], str)
    assert isinstance(outcomes[1], AssetModel)
    assert not outcomes[1].series
    assert "20 values are too few" in outcomes[1].unfitted["11:prophet_band"]


def test_the_version_tells_every_input_apart(model: AssetModel) -> None:
    other = task()
    other.history.values[700, 0] += 1e-9
    versions = {model.version, fit_asset(other).version, fit_asset(replace(task(), seed=5)).version}
    assert len(versions) == 3
    assert fit_asset(replace(task(), fitted_at=datetime(2030, 1, 1, tzinfo=LIVE.tzinfo))).version == model.version


def test_a_cluster_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SettingsError, match="cityvigil\\[cluster\\]"), open_fitter(1, FOREIGN):
        pass
