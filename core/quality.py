"""QARTOD quality flags and tests as pure functions of arrays.

Source: U.S. IOOS, *QARTOD Manual for Real-Time Oceanographic Data Quality Control Flags*, version 1.2 (2020);
the tests keep the manuals' names (gross range, flat line, gap).
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class QualityFlag(IntEnum):
    """How far a reading may be trusted; the numbers are QARTOD's."""

    GOOD = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    BAD = 4
    MISSING = 9


def gross_range_test(values: NDArray[np.float64], lower: float | None, upper: float | None) -> NDArray[np.int16]:
    """Flag what lies outside the physical limits of a series.

    Parameters
    ----------
    values
        Shape (n,), in the series' unit; NaN where there is no value.
    lower, upper
        Physical limits, inclusive, in the same unit; None where there is none.

    Returns
    -------
    Shape (n,): BAD outside the limits, MISSING for NaN, NOT_EVALUATED where both limits are None, else GOOD.
    """
    untested = lower is None and upper is None
    flags = np.full(values.shape, QualityFlag.NOT_EVALUATED if untested else QualityFlag.GOOD, dtype=np.int16)
    if lower is not None:
        flags[values < lower] = QualityFlag.BAD
    if upper is not None:
        flags[values > upper] = QualityFlag.BAD
    flags[np.isnan(values)] = QualityFlag.MISSING
    return flags


def run_lengths(values: NDArray[np.float64], tolerance: float = 0.0) -> NDArray[np.int64]:
    """Count, for each value, how many values in a row up to it have not changed.

    Missing values neither end a run nor lengthen it, so a sensor that is stuck and drops samples is still stuck.

    Parameters
    ----------
    values
        Shape (n,); NaN where there is no value.
    tolerance
        Two neighbours that differ by no more than this, in the values' unit, count as equal.

    Returns
    -------
    Shape (n,): 1 for a value that differs from the one before it, 0 for NaN. Linear in n.
    """
    lengths = np.zeros(values.shape, dtype=np.int64)
    present = np.flatnonzero(~np.isnan(values))
    if present.size == 0:
        return lengths
    changed = np.abs(np.diff(values[present], prepend=np.inf)) > tolerance
    start = np.maximum.accumulate(np.where(changed, np.arange(present.size), 0))
    lengths[present] = np.arange(present.size) - start + 1
    return lengths


def flat_line_test(
    values: NDArray[np.float64], suspect_after: int, bad_after: int, tolerance: float = 0.0
) -> NDArray[np.int16]:
    """Flag a value that has not changed for too many samples.

    Parameters
    ----------
    values
        Shape (n,), one sample per expected interval; NaN where there is no value.
    suspect_after, bad_after
        Length of a run of equal samples from which on it is SUSPECT, or BAD; 1 < suspect_after <= bad_after.
    tolerance
        As for `run_lengths`.

    Returns
    -------
    Shape (n,): GOOD, SUSPECT, BAD, or MISSING for NaN. The flag at n depends on nothing after n.
    """
    lengths = run_lengths(values, tolerance)
    flags = np.full(values.shape, QualityFlag.GOOD, dtype=np.int16)
    flags[lengths >= suspect_after] = QualityFlag.SUSPECT
    flags[lengths >= bad_after] = QualityFlag.BAD
    flags[np.isnan(values)] = QualityFlag.MISSING
    return flags


def gap_test(silent_for_s: float, expected_interval_s: float, tolerated_samples: float) -> QualityFlag:
    """Flag a series that has said nothing for longer than its interval allows.

    Parameters
    ----------
    silent_for_s
        Processing time since the series' last reading arrived, in seconds.
    expected_interval_s
        Seconds between two readings; greater than 0.
    tolerated_samples
        How many readings in a row may be missing before the series counts as silent.
    """
    if silent_for_s > expected_interval_s * (tolerated_samples + 1):
        return QualityFlag.MISSING
    return QualityFlag.GOOD
