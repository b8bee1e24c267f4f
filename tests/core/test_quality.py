import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.quality import QualityFlag, flat_line_test, gap_test, gross_range_test, run_lengths

NAN = float("nan")
G, N, S, B, M = QualityFlag.GOOD, QualityFlag.NOT_EVALUATED, QualityFlag.SUSPECT, QualityFlag.BAD, QualityFlag.MISSING

number = st.just(NAN) | st.integers(-3, 3).map(float)
series = st.lists(number, max_size=30)


def array(values: list[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def test_flags_have_the_numbers_of_qartod() -> None:
    assert [(flag.name, flag.value) for flag in QualityFlag] == [
        ("GOOD", 1),
        ("NOT_EVALUATED", 2),
        ("SUSPECT", 3),
        ("BAD", 4),
        ("MISSING", 9),
    ]


@pytest.mark.parametrize(
    ("lower", "upper", "flags"),
    [
        (0.0, 10.0, [B, G, G, G, B, M, B, B]),
        (None, 10.0, [G, G, G, G, B, M, G, B]),
        (0.0, None, [B, G, G, G, G, M, B, G]),
        (None, None, [N, N, N, N, N, M, N, N]),
    ],
)
def test_gross_range_limits_are_inclusive(lower: float | None, upper: float | None, flags: list[QualityFlag]) -> None:
    values = array([-0.1, 0.0, 5.0, 10.0, 10.1, NAN, -np.inf, np.inf])
    assert gross_range_test(values, lower, upper).tolist() == flags


@given(series, st.none() | st.floats(-3, 3), st.none() | st.floats(-3, 3))
def test_gross_range_agrees_with_the_rule_said_value_by_value(
    values: list[float], lower: float | None, upper: float | None
) -> None:
    def flag(value: float) -> QualityFlag:
        if value != value:  # noqa: PLR0124 - the oracle knows NaN by what IEEE 754 says of it
            return M
        if lower is None and upper is None:
            return N
        below, above = lower is not None and value < lower, upper is not None and value > upper
        return B if below or above else G

    assert gross_range_test(array(values), lower, upper).tolist() == [flag(value) for value in values]


@pytest.mark.parametrize(
    ("values", "tolerance", "lengths"),
    [
        ([], 0, []),
        ([NAN, NAN], 0, [0, 0]),
        ([1, 1, 1], 0, [1, 2, 3]),
        ([1, 2, 2, 1], 0, [1, 1, 2, 1]),
        ([1, NAN, 1, NAN, NAN, 1, 2], 0, [1, 0, 2, 0, 0, 3, 1]),
        ([NAN, 0, 0], 0, [0, 1, 2]),
        ([0, 0.5, 1.0, 1.6], 0.5, [1, 2, 3, 1]),
    ],
)
def test_run_lengths_by_hand(values: list[float], tolerance: float, lengths: list[int]) -> None:
    assert run_lengths(array(values), tolerance).tolist() == lengths


def counted_one_by_one(values: list[float], tolerance: float) -> list[int]:
    lengths, last, run = [], NAN, 0
    for value in values:
        if np.isnan(value):
            lengths.append(0)
            continue
        run = run + 1 if abs(value - last) <= tolerance else 1
        last = value
        lengths.append(run)
    return lengths


@given(series, st.sampled_from([0.0, 1.0]))
def test_run_lengths_agree_with_counting(values: list[float], tolerance: float) -> None:
    assert run_lengths(array(values), tolerance).tolist() == counted_one_by_one(values, tolerance)


@given(series)
def test_run_lengths_leave_their_input_alone(values: list[float]) -> None:
    given_values = array(values)
    run_lengths(given_values)
    np.testing.assert_array_equal(given_values, array(values))


def test_flat_line_by_hand() -> None:
    values = array([5, 5, 5, NAN, 5, 5, 6, 6])
    assert flat_line_test(values, suspect_after=3, bad_after=5).tolist() == [G, G, S, M, S, B, G, G]


def test_flat_line_may_be_bad_without_having_been_suspect() -> None:
    assert flat_line_test(array([1, 1, 1]), suspect_after=3, bad_after=3).tolist() == [G, G, B]


@given(series, st.integers(2, 5), st.integers(0, 5))
def test_flat_line_agrees_with_counting(values: list[float], suspect_after: int, more: int) -> None:
    bad_after = suspect_after + more
    flags = [
        M if length == 0 else B if length >= bad_after else S if length >= suspect_after else G
        for length in counted_one_by_one(values, 0)
    ]
    assert flat_line_test(array(values), suspect_after, bad_after).tolist() == flags


@given(series, series)
def test_flat_line_knows_nothing_of_the_future(past: list[float], future: list[float]) -> None:
    flags = flat_line_test(array(past + future), 3, 5)[: len(past)]
    assert flags.tolist() == flat_line_test(array(past), 3, 5).tolist()


@pytest.mark.parametrize(
    ("silent_for_s", "tolerated", "flag"),
    [(0, 0, G), (60, 0, G), (60.001, 0, M), (420, 6, G), (421, 6, M), (90, 0.5, G), (91, 0.5, M)],
)
def test_gap_opens_when_more_than_the_tolerated_samples_are_missing(
    silent_for_s: float, tolerated: float, flag: QualityFlag
) -> None:
    assert gap_test(silent_for_s, 60, tolerated) is flag
