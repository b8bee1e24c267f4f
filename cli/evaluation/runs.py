"""Runs of flagged rows: events in labels, alarms in decisions."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def runs_of(flags: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where runs of flagged rows begin and where they have ended.

    Parameters
    ----------
    flags
        Shape (n,), bool or 0/1.

    Returns
    -------
    starts, stops
        Each of shape (runs,), ascending; a run is the rows from its start up to, but not with, its stop.
    """
    # Shape (n + 2,): a run that touches an end of the series has an edge there too.
    padded = np.pad(np.asarray(flags, dtype=np.bool_), 1).astype(np.int8)
    edges = np.diff(padded)
    return np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
