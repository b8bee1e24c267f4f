"""From the alert budget to the p-value below which an anomaly opens."""

from detectors.calibration import TAIL_SHARE

_WEEK_S = 604_800
CLOSE_BELOW = TAIL_SHARE
"""An anomaly goes on while its score stays in the tail of the past."""


def opening_p_value(false_alerts_per_1000_series_week: float, step_s: float) -> float:
    """Return the p-value at which as many false episodes are to be expected as the budget allows.

    A p-value of the tail is the rate of episodes per judgement, so the two are the same measure.

    Parameters
    ----------
    false_alerts_per_1000_series_week
        The alert budget.
    step_s
        Seconds between two judgements of a series.
    """
    judgements_a_week = _WEEK_S / step_s
    return min(CLOSE_BELOW, false_alerts_per_1000_series_week / 1000.0 / judgements_a_week)


def share_of_budget(open_below: float, series: int, judgements_per_row: int) -> float:
    """Return the p-value at which each of several judgements opens an anomaly, so that together they keep the budget.

    By Bonferroni's inequality, which holds however the judgements depend on each other.

    Parameters
    ----------
    open_below
        P-value at which one judgement for each series would.
    series, judgements_per_row
        How many series there are, and how many p-values they are given each time; a budget counts series, so one
        judgement of many series together may open more often than one of a single series.
    """
    return min(open_below * series / max(judgements_per_row, 1), CLOSE_BELOW)
