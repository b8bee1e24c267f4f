import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UnitError
from core.units import NON_UCUM, convert, is_unit

# Exact by definition of the units: SI, ISO 80000, NIST SP 811 appendix B for the metre of water and Fahrenheit.
FACTORS = [
    ("km/h", "m/s", 1 / 3.6),
    ("m3/h", "L/s", 1 / 3.6),
    ("bar", "kPa", 100.0),
    ("kWh", "J", 3.6e6),
    ("W.h", "J", 3600.0),
    ("h", "s", 3600.0),
    ("%", "1", 0.01),
    ("deg", "rad", math.pi / 180),
    ("m[H2O]", "kPa", 9.80665),
    ("kV", "V", 1000.0),
    ("%RH", "%", 1.0),
]
TEMPERATURES = [("Cel", "K", 20.0, 293.15), ("K", "Cel", 0.0, -273.15), ("[degF]", "Cel", 212.0, 100.0)]

magnitude = st.floats(-1e9, 1e9)


@pytest.mark.parametrize(("source", "target", "factor"), FACTORS)
@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, 1e6])
def test_linear_units(source: str, target: str, factor: float, value: float) -> None:
    assert convert(value, source, target) == pytest.approx(value * factor, rel=1e-9)


@pytest.mark.parametrize(("source", "target", "value", "expected"), TEMPERATURES)
def test_units_with_another_zero(source: str, target: str, value: float, expected: float) -> None:
    assert convert(value, source, target) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(magnitude, st.sampled_from([(s, t) for s, t, *_ in FACTORS] + [(s, t) for s, t, *_ in TEMPERATURES]))
def test_there_and_back_is_where_it_was(value: float, pair: tuple[str, str]) -> None:
    source, target = pair
    assert convert(convert(value, source, target), target, source) == pytest.approx(value, rel=1e-9, abs=1e-6)


@given(magnitude, st.text(max_size=10))
def test_same_unit_changes_nothing(value: float, unit: str) -> None:
    assert convert(value, unit, unit) == value


@pytest.mark.parametrize(("source", "target"), [("m", "s"), ("m3/h", "m"), ("Cel", "V"), ("bar", "1")])
def test_other_dimension_is_refused_by_name(source: str, target: str) -> None:
    with pytest.raises(UnitError, match=f"'{source}' cannot be converted to '{target}'"):
        convert(1.0, source, target)


@pytest.mark.parametrize("code", ["furlongs", "m³", "°C", "m)/(s", " ", "\x00"])
def test_unknown_code_is_refused_on_either_side(code: str) -> None:
    for source, target in ((code, "m"), ("m", code)):
        with pytest.raises(UnitError, match="is not a UCUM unit"):
            convert(1.0, source, target)


@pytest.mark.parametrize("word", sorted(NON_UCUM))
def test_word_for_a_number_without_unit_converts_to_itself_only(word: str) -> None:
    assert convert(3.0, word, word) == 3.0
    for source, target in ((word, "1"), ("1", word)):
        with pytest.raises(UnitError):
            convert(3.0, source, target)


@pytest.mark.parametrize("code", ["m3/h", "Cel", "%", "{people}", "1", "", "0/1", "m[H2O]"])
def test_a_known_code_is_a_unit(code: str) -> None:
    assert is_unit(code)


@pytest.mark.parametrize("code", ["furlongs", "m3 per h", "°C", "{"])
def test_anything_else_is_no_unit(code: str) -> None:
    assert not is_unit(code)


def test_a_bare_annotation_is_the_unit_one() -> None:
    assert convert(3.0, "{people}", "1") == 3.0
