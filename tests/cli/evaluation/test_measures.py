from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cli.evaluation.measures import JudgedSeries, measures_of, measures_of_set, without_gaps
from tests.cli.evaluation.making import NAN, column, judged, random_series

OF_ANY_SERIES = {"false_alarms_per_week", "judged_share"}
OF_RANKING = {"auc", "ap", "p_best", "r_best", "f1_best", "vus_pr"}
OF_ALARMS = {"f1_default", "far_pct", "event_recall", "event_recall_half", "S"}
OF_A_SET = {"nab_standard", "nab_low_fp", "nab_low_fn"}

series_of_any_kind = st.builds(
    lambda seed, rows: random_series(np.random.default_rng(seed), rows), st.integers(0, 2**32), st.integers(1, 80)
)


def test_a_small_series_by_hand() -> None:
    # By falling score: events' rows .9 .8 .7, others .5 .4 .3, an event's .2, others .1 .0 and the row not judged.
    series = judged(
        labels="0110001100",
        scores=[0.1, 0.9, 0.2, 0.3, 0.4, 0.0, 0.8, 0.7, 0.5, NAN],
        alarms="0011000001",
        seconds=302_400.0,
    )
    got = measures_of(series)
    # Of 4 x 6 pairs, .9 .8 .7 win all six and .2 wins three.
    assert got["auc"] == pytest.approx(21 / 24)
    # Three quarters of the events' rows come at precision 1, the last at 4 of 7.
    assert got["ap"] == pytest.approx(0.75 + 0.25 * 4 / 7)
    # Down to .7: precision 1, recall 3/4; down to .2: precision 4/7, recall 1, F1 8/11 < 6/7.
    assert (got["p_best"], got["r_best"], got["f1_best"]) == pytest.approx((1.0, 0.75, 6 / 7))
    # One right row of alarm, two false ones, three rows of events without.
    assert got["f1_default"] == pytest.approx(2 / (2 + 2 + 3))
    assert got["far_pct"] == pytest.approx(100 * 2 / 6)
    # The first event is found one row of two late, which is not past its middle; the second is not found.
    assert (got["event_recall"], got["event_recall_half"]) == (0.5, 0.5)
    assert got["S"] == pytest.approx(0.5 * (1 - (0.5 + 1) / 2) + 0.25 * (1 / 4 + 1 - 2 / 6))
    # Of two stretches of alarm the first meets an event; the other came in half a week.
    assert got["false_alarms_per_week"] == pytest.approx(2.0)
    assert got["judged_share"] == pytest.approx(0.9)


def test_an_alarm_past_the_middle_of_an_event_comes_late() -> None:
    got = measures_of(judged("0111110", [0] * 7, "0000100"))
    assert (got["event_recall"], got["event_recall_half"]) == (1.0, 0.0)


def test_perfect_detection() -> None:
    labels = "0001110000110"
    got = measures_of(judged(labels, [float(label) for label in labels], labels))
    perfect = dict.fromkeys((OF_RANKING | OF_ALARMS) - {"far_pct", "vus_pr"}, 1.0)
    assert got.items() >= (perfect | {"far_pct": 0.0, "false_alarms_per_week": 0.0, "judged_share": 1.0}).items()


@pytest.mark.parametrize("labels", ["0000", "1111"])
def test_measures_that_need_both_kinds_are_left_out(labels: str) -> None:
    got = measures_of(judged(labels, [1, NAN, 3, 4], "0100"))
    assert got == {"false_alarms_per_week": 1.0 if labels == "0000" else 0.0, "judged_share": 0.75}


def test_no_rows() -> None:
    assert measures_of(judged("", [], seconds=0.0)) == {"false_alarms_per_week": 0.0}
    assert measures_of_set([]) == {}


@given(series_of_any_kind, st.floats(0.001, 1e6))
def test_rows_not_judged_rank_lowest(series: JudgedSeries, below: float) -> None:
    finite = series.scores[np.isfinite(series.scores)]
    filled = np.where(np.isnan(series.scores), finite.min(initial=0.0) - below, series.scores)
    got, expected = measures_of(series), measures_of(replace(series, scores=filled))
    assert {**got, "judged_share": 1.0} == pytest.approx(expected)


def test_nothing_judged_is_chance() -> None:
    got = measures_of(judged("0100", [NAN] * 4))
    assert (got["auc"], got["ap"], got["judged_share"]) == (0.5, 0.25, 0.0)


def test_an_infinite_score_is_a_score() -> None:
    got = measures_of(judged("0100", [-np.inf, np.inf, 5, 0]))
    assert (got["auc"], got["judged_share"]) == (1.0, 1.0)


@given(series_of_any_kind, st.sampled_from([np.sinh, np.cbrt, lambda scores: 3.0 * scores - 5.0]))
def test_only_the_order_of_scores_counts(
    series: JudgedSeries, rising: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> None:
    # Few enough digits that no transformation makes a tie.
    series = replace(series, scores=series.scores.round(3))
    assert measures_of(replace(series, scores=rising(series.scores))) == pytest.approx(measures_of(series))


@given(series_of_any_kind)
def test_every_measure_is_finite_and_within_its_range(series: JudgedSeries) -> None:
    got = measures_of(series)
    both_kinds = 0 < series.labels.sum() < series.labels.size
    assert set(got) == (OF_ANY_SERIES | OF_RANKING | OF_ALARMS if both_kinds else OF_ANY_SERIES)
    top = {"far_pct": 100.0, "false_alarms_per_week": np.inf}
    assert all(0.0 <= value <= top.get(name, 1.0 + 1e-12) for name, value in got.items())


def test_f1_of_a_set_is_that_of_mean_precision_and_recall() -> None:
    # One row of two found first: precision 1, recall 1/2. One row of one, in a tie with another: 1/2 and 1.
    precise = judged("11000000", [9, 0, 1, 1, 1, 1, 1, 1])
    complete = judged("10000000", [9, 9, 0, 0, 0, 0, 0, 0])
    assert [measures_of(one)["f1_best"] for one in (precise, complete)] == pytest.approx([2 / 3, 2 / 3])
    assert measures_of_set([precise, complete])["f1_best"] == pytest.approx(0.75)


def test_a_measure_of_a_set_is_the_mean_over_the_series_that_have_it() -> None:
    found, missed = judged("0110", [0, 1, 1, 0], "0110"), judged("0110", [0, 1, 1, 0], "0001")
    quiet = judged("0000", [0, NAN, 0, 0], "1010")
    got = measures_of_set([found, missed, quiet])
    assert set(got) == OF_ANY_SERIES | OF_RANKING | OF_ALARMS | OF_A_SET
    assert got["event_recall"] == 0.5
    assert got["false_alarms_per_week"] == pytest.approx((0 + 1 + 2) / 3)
    assert got["judged_share"] == pytest.approx((1 + 1 + 0.75) / 3)
    assert got["nab_standard"] == pytest.approx(100.0)


def test_what_was_measured_before_is_not_measured_again() -> None:
    series = [random_series(np.random.default_rng(seed), 200) for seed in range(3)]
    assert measures_of_set(series, [measures_of(one) for one in series]) == measures_of_set(series)


def test_a_set_without_events_has_no_benchmark_score() -> None:
    assert set(measures_of_set([judged("000", [1, 2, 3])])) == OF_ANY_SERIES


def test_columns_must_be_of_equal_length() -> None:
    with pytest.raises(ValueError, match="equal length"):
        judged("010", [1, 2])


def test_gaps_are_bridged_by_straight_lines() -> None:
    np.testing.assert_allclose(without_gaps(column([NAN, 1, NAN, NAN, 4, NAN])), [1, 1, 2, 3, 4, 4])
    np.testing.assert_array_equal(without_gaps(column([NAN, NAN])), [NAN, NAN])
    assert without_gaps(column([])).size == 0
