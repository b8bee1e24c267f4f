"""Score, p-value and severity are three things; an anomaly is a stretch of time with an explanation."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AnomalyKind(StrEnum):
    """What is wrong: the instrument, or the thing it watches."""

    SENSOR = "sensor"
    ASSET = "asset"


class Sureness(StrEnum):
    """How sure we are that something is not normal, in words."""

    FAIRLY_SURE = "fairly sure"
    SURE = "sure"
    VERY_SURE = "very sure"


def sureness_of(p_value: float, threshold: float) -> Sureness:
    """Return how sure a p-value makes us: the further below the threshold at which anomalies open, the surer.

    Parameters
    ----------
    p_value, threshold
        Both greater than 0; ten times below the threshold is `sure`, a thousand times `very sure`.
    """
    times_below = threshold / max(p_value, 1e-300)
    if times_below >= 1000:  # noqa: PLR2004 - as documented
        return Sureness.VERY_SURE
    return Sureness.SURE if times_below >= 10 else Sureness.FAIRLY_SURE  # noqa: PLR2004 - as documented


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a model says the value should have been.

    Attributes
    ----------
    time
        Event time that it holds for, in UTC.
    centre, lower, upper
        In the series' unit; lower <= centre <= upper.
    """

    time: datetime
    centre: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """One series' part in an anomaly.

    Attributes
    ----------
    series_id, metric, unit
        Which series.
    observed, expected, lower, upper
        The value at the worst moment and the band there; None where the detector has no band.
    share
        Part of the anomaly's weight that this series carries, 0 to 1.
    """

    series_id: int
    metric: str
    unit: str
    observed: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    share: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A stretch of time in which an asset's signals were not normal.

    Attributes
    ----------
    asset_id
        Whose signals.
    detector
        Name of the detector that opened it.
    kind
        Instrument or asset.
    since, last_at
        First and latest abnormal event time, in UTC.
    ended_at
        Event time at which it was normal again; None while it lasts.
    retracted
        True when late data has shown that it never was.
    detected_at
        Processing time of its first record, in UTC.
    p_value
        Smallest so far, 0 to 1; calibrated against the past.
    severity
        0 to 100.
    score, threshold
        Largest score, and the p-value below which the anomaly opened.
    model_version
        Of the model that says so.
    evidence
        By falling share.
    """

    asset_id: int
    detector: str
    kind: AnomalyKind
    since: datetime
    last_at: datetime
    ended_at: datetime | None
    retracted: bool
    detected_at: datetime
    p_value: float
    severity: float
    score: float
    threshold: float
    model_version: str
    evidence: tuple[Evidence, ...] = field(default=())
