"""The causal median against looking at three rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.smoothing import causal_median
from tests.contract.making import NAN


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
