"""Our measures against those of a scorer that knows nothing of this project."""

import importlib.util
import sys
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cli.evaluation.measures import JudgedSeries, measures_of, measures_of_set, without_gaps
from tests.cli.evaluation.making import random_series
from tests.paths import SHARED

_SCORER = SHARED / "tools" / "score.py"

pytestmark = pytest.mark.skipif(not _SCORER.exists(), reason=f"needs the outside scorer {_SCORER}")


@pytest.fixture(scope="module")
def scorer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("outside_scorer", _SCORER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # It turns all warnings off, and would leave compiled code beside itself.
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        spec.loader.exec_module(module)
    return module


def filled(series: JudgedSeries) -> np.ndarray[Any, np.dtype[np.float64]]:
    finite = series.scores[np.isfinite(series.scores)]
    return np.nan_to_num(series.scores, nan=finite.min(initial=0) - 1)


def theirs(scorer: ModuleType, series: JudgedSeries) -> dict[str, float]:
    labels, alarms = series.labels.astype(int), series.alarms.astype(int)
    measured: dict[str, float] = scorer.series_measures(series.values, labels, filled(series), alarms, series.seconds)
    return measured


def of_both(scorer: ModuleType, ours: dict[str, float]) -> dict[str, float]:
    """Return what the scorer measures too: it knows no share of judged rows, and VUS-PR only beside TSB-AD."""
    unknown = {"judged_share"} if scorer.get_metrics else {"judged_share", "vus_pr"}
    return {name: value for name, value in ours.items() if name not in unknown}


@pytest.mark.parametrize("seed", range(40))
def test_measures_of_a_series_agree(scorer: ModuleType, seed: int) -> None:
    rng = np.random.default_rng(seed)
    series = random_series(rng, int(rng.integers(5, 400)))
    assert of_both(scorer, measures_of(series)) == pytest.approx(theirs(scorer, series), abs=1e-9)


@pytest.mark.parametrize("seed", range(15))
def test_measures_of_a_set_agree(scorer: ModuleType, seed: int) -> None:
    rng = np.random.default_rng(1_000 + seed)
    series = [random_series(rng, int(rng.integers(5, 300))) for _ in range(rng.integers(1, 6))]
    each: Any = [theirs(scorer, one) for one in series]
    expected: dict[Any, float] = pd.DataFrame(each).mean(numeric_only=True).to_dict()
    if "p_best" in expected:
        precision, recall = expected["p_best"], expected["r_best"]
        expected["f1_best"] = 2 * precision * recall / (precision + recall)
    expected |= scorer.nab_scores([(one.labels.astype(int), filled(one)) for one in series])
    defined = {name: value for name, value in expected.items() if not np.isnan(value)}
    assert of_both(scorer, measures_of_set(series)) == pytest.approx(defined, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_gaps_in_values_are_filled_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(200) < 0.4, np.nan, rng.normal(size=200))
    expected = pd.to_numeric(pd.Series(values)).interpolate().bfill().ffill().to_numpy(float)
    np.testing.assert_array_equal(without_gaps(values), expected)
