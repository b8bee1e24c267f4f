"""What `cityvigil evaluate` said of one set and one choice of detectors."""

from dataclasses import dataclass

import msgspec

LIVE = "default"
"""Stands for the combination of detectors that runs live."""


class SeriesFound(msgspec.Struct, frozen=True):
    """What a summary says of a series, as far as the page shows it."""

    measures: dict[str, float | None]
    signals: int = 1
    unfitted: dict[str, str] = {}


class Cost(msgspec.Struct, frozen=True):
    """What it took; `rows`, `fits` and seconds of one core count all series, sizes are the largest."""

    rows: int
    fits: int
    fit_s: float
    judge_s: float
    model_bytes: int
    peak_mb: float
    series_kept: int


class Summary(msgspec.Struct, frozen=True):
    """The part of a `summary.json` that the page shows."""

    detectors: list[str]
    budget: float
    measures: dict[str, float | None]
    cost: Cost
    series: dict[str, SeriesFound]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one evaluation went.

    Attributes
    ----------
    set_name
        Which set.
    detector
        A detector's name, or `LIVE`.
    seconds
        Wall time, over all runs that it took.
    summary
        None if it failed.
    failure
        Why it failed; empty if it did not.
    """

    set_name: str
    detector: str
    seconds: float
    summary: Summary | None
    failure: str = ""

    @property
    def judged_share(self) -> float:
        """Share of the scored rows that were judged; 0 if it failed."""
        return (self.summary.measures.get("judged_share") or 0.0) if self.summary else 0.0

    @property
    def allowed_per_week(self) -> float:
        """False alarms that the budget allows a series of the set each week; every signal of a group counts."""
        if self.summary is None or not self.summary.series:
            return 0.0
        signals = [series.signals for series in self.summary.series.values()]
        return self.summary.budget / 1000.0 * sum(signals) / len(signals)
