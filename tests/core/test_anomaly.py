import pytest

from core.anomaly import Sureness, sureness_of


@pytest.mark.parametrize(
    ("p_value", "words"),
    [
        (5e-6, Sureness.FAIRLY_SURE),
        (6e-7, Sureness.FAIRLY_SURE),
        (4e-7, Sureness.SURE),
        (6e-9, Sureness.SURE),
        (4e-9, Sureness.VERY_SURE),
        (0.0, Sureness.VERY_SURE),
    ],
)
def test_the_rarer_beside_the_threshold_the_surer(p_value: float, words: Sureness) -> None:
    assert sureness_of(p_value, 5e-6) is words
