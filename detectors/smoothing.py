"""Causal smoothing of deviations."""

import numpy as np
from numpy.typing import NDArray

MEDIAN_ROWS = 3


def causal_median(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each row and the two before it, column by column.

    One wild sample changes nothing; a change that lasts shows on its second row.

    Parameters
    ----------
    deviations
        Shape (n, k); NaN where there is none.

    Returns
    -------
    Shape (n, k); NaN where the row itself has no value, or fewer than two of the three have one: nobody knows
    whether a single deviation lasts.
    """
    n, k = deviations.shape
    padded = np.vstack([np.full((MEDIAN_ROWS - 1, k), np.nan), deviations])
    stacked = np.stack([padded[i : i + n] for i in range(MEDIAN_ROWS)])
    known = (~np.isnan(stacked)).sum(axis=0)
    # With two values the one closer to zero is taken: it takes both to be abnormal.
    ordered = np.sort(np.abs(stacked), axis=0)
    smallest_of_two = np.where(known == 2, ordered[0], np.nan)  # noqa: PLR2004 - two of the three rows
    latest = stacked[-1]
    pair = np.where(known == 2, np.copysign(smallest_of_two, latest), np.nan)  # noqa: PLR2004
    triple = np.sort(stacked, axis=0)[1]
    smoothed = np.where(known == MEDIAN_ROWS, triple, pair)
    return np.where(np.isnan(latest), np.nan, smoothed)
