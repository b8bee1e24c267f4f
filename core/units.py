"""Units of measure: UCUM codes, checked and converted by pint.

Source: *The Unified Code for Units of Measure*, version 2.2, by way of `ucumvert`.
"""

from functools import lru_cache
from typing import Any

from core.errors import UnitError

NON_UCUM: frozenset[str] = frozenset({"", "0/1", "count", "bool", "raw", "ratio"})
"""Words that feeds use for numbers without a unit; each converts only to itself."""

_ALIASES = {"Wh": "W.h", "kWh": "kW.h", "%RH": "%"}
"""Spellings met in feeds, and the UCUM code for each."""


@lru_cache(maxsize=1)
def _registry() -> Any:
    # Building the registry takes most of a second, which a process that converts nothing must not pay.
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()


@lru_cache(maxsize=4096)
def _parsed(code: str) -> Any:
    try:
        quantity = _registry().from_ucum(_ALIASES.get(code, code))
        # A bare annotation such as {people} comes back as the word that it is; UCUM reads it as the unit 1.
        return quantity if hasattr(quantity, "units") else _registry().from_ucum("1")
    except Exception as exc:  # lark and pint raise many unrelated kinds for one fact
        raise UnitError(f"'{code}' is not a UCUM unit") from exc


@lru_cache(maxsize=1024)
def _linear(source: str, target: str) -> tuple[float, float]:
    try:
        registry = _registry()
        unit, wanted = _parsed(source).units, _parsed(target).units
        at_zero, at_one = (registry.Quantity(x, unit).to(wanted).magnitude for x in (0.0, 1.0))
    except UnitError:
        raise
    except Exception as exc:
        raise UnitError(f"'{source}' cannot be converted to '{target}'") from exc
    return float(at_one - at_zero), float(at_zero)


def is_unit(code: str) -> bool:
    """Return whether a code is a unit that we know: UCUM, or a word that feeds use for numbers without one.

    The first call in a process builds the registry, which takes about a second.
    """
    if code in NON_UCUM:
        return True
    try:
        _parsed(code)
    except UnitError:
        return False
    return True


def convert(value: float, source: str, target: str) -> float:
    """Express a value given in `source` in `target`.

    Linear units only (no decibels); an affine one such as `Cel` is understood. Constant time after the first
    call for a pair of units.

    Raises
    ------
    UnitError
        If either code is no UCUM unit, or the two measure different things.
    """
    if source == target:
        return value
    if source in NON_UCUM or target in NON_UCUM:
        raise UnitError(f"'{source}' cannot be converted to '{target}'")
    factor, offset = _linear(source, target)
    return value * factor + offset
