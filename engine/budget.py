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
