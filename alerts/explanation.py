"""An incident in plain words: what, where, since when, observed against expected, what it may be, how sure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.causes import likely_cause
from core.anomaly import AnomalyKind, Evidence, Sureness, sureness_of
from core.quality import QualityFlag
from store.judgements import StoredAnomaly
from store.registry import StoredAsset
from store.series_data import Point

_KINDS = {
    "dma": "district metered area",
    "vehicle": "vehicle",
    "lamp": "lamp",
    "feeder": "feeder",
    "tank": "tank",
}
_UNITS = {"m[H2O]": "m H₂O", "m3/h": "m³/h", "m/s2": "m/s²", "Cel": "°C", "deg": "°", "0/1": "", "count": ""}
"""How people write what UCUM writes otherwise."""

_SILENCE = "silence"
_HIGH_LOW = {1: "high", -1: "low"}
_MOST_OTHERS = 3
_MOST_FOLD = 10
"""A deviation by more than so many times what is expected is no matter of per cent."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an incident's message says of it.

    Attributes
    ----------
    text
        Two or three sentences.
    cause
        What it may be; None when no rule of thumb holds.
    sureness
        How sure we are.
    drivers
        The evidence, one line per series, weightiest first.
    """

    text: str
    cause: str | None
    sureness: Sureness
    drivers: tuple[Evidence, ...]


def explain(asset: StoredAsset, kind: AnomalyKind, anomalies: Sequence[StoredAnomaly], time_zone: str) -> Explanation:
    """Explain an incident.

    Parameters
    ----------
    kind
        Of the incident: sensor faults and asset faults are told differently.
    anomalies
        Not empty, none retracted.
    time_zone
        Times are told on this clock.
    """
    told = [a for a in anomalies if a.anomaly.kind is kind] or list(anomalies)
    drivers = _drivers(told)
    directions = {e.metric: _direction(e) for e in drivers}
    cause = likely_cause(asset.kind, directions) if kind is AnomalyKind.ASSET else _sensor_cause(told)
    since = _clock_time(min(a.anomaly.since for a in told), time_zone)
    sureness = _sureness(told)
    sentences = [f"{_name(asset)}: {_main_clause(told, drivers)} since {since}.", _others(drivers)]
    sentences.append(f"It may be {cause}; we are {sureness}." if cause else f"We are {sureness} that it is not normal.")
    return Explanation(" ".join(s for s in sentences if s), cause, sureness, drivers)


def _name(asset: StoredAsset) -> str:
    kind = _KINDS.get(asset.kind, asset.kind)
    return f"{asset.name} ({kind}, {asset.zone})" if asset.zone else f"{asset.name} ({kind})"


def _drivers(anomalies: Sequence[StoredAnomaly]) -> tuple[Evidence, ...]:
    """Return one piece of evidence per series, from its rarest anomaly, those furthest outside their band first."""
    best: dict[int, Evidence] = {}
    for stored in sorted(anomalies, key=lambda a: (a.series_id is None, a.anomaly.p_value)):
        for evidence in stored.anomaly.evidence:
            best.setdefault(evidence.series_id, evidence)
    return tuple(sorted(best.values(), key=lambda e: -_excess(e)))


def _excess(evidence: Evidence) -> float:
    """Return how far outside its band a value lies, in half-widths.

    Infinite for a value that is judged without a band, -1 where there is no value to compare.
    """
    if evidence.observed is None:
        return -1.0
    if evidence.expected is None or evidence.lower is None or evidence.upper is None:
        return math.inf
    edge = evidence.lower if evidence.observed < evidence.expected else evidence.upper
    return abs(evidence.observed - evidence.expected) / max(abs(edge - evidence.expected), 1e-12)


def _direction(evidence: Evidence) -> int:
    if evidence.observed is None or evidence.lower is None or evidence.upper is None:
        return 0
    return int(evidence.observed > evidence.upper) - int(evidence.observed < evidence.lower)


def _main_clause(anomalies: Sequence[StoredAnomaly], drivers: Sequence[Evidence]) -> str:
    silent = [_words(e.metric) for a in anomalies if a.anomaly.detector == _SILENCE for e in a.anomaly.evidence]
    if silent:
        return f"no usable reading of {_listed(silent)}"
    first = drivers[0] if drivers else None
    if first is None or first.observed is None:
        return "its signals are not as usual"
    observed = _quantity(first.observed, first.unit)
    if first.expected is None or first.lower is None or first.upper is None:
        return f"{_words(first.metric)} has not moved, at {observed},"
    if _direction(first) == 0:
        return f"its signals do not go together as usual, {_words(first.metric)} ({observed}) least of all,"
    lower, upper = _number(first.lower), _number(first.upper)
    band = f" ({lower} to {upper})" if lower != upper else ""
    return f"{_words(first.metric)} is {observed} where {_number(first.expected)}{band} is expected{_percent(first)}"


def _listed(words: Sequence[str]) -> str:
    more = len(words) - _MOST_OTHERS
    return f"{', '.join(words[:_MOST_OTHERS])}{f' and {more} more' if more > 0 else ''}"


def _percent(evidence: Evidence) -> str:
    """Return the deviation in per cent, where a share of the expected value says something."""
    observed, expected = evidence.observed or 0.0, evidence.expected or 0.0
    width = (evidence.upper or 0.0) - (evidence.lower or 0.0)
    if abs(expected) <= width or abs(observed - expected) > _MOST_FOLD * abs(expected):
        return ""
    share = round(100 * (observed - expected) / abs(expected))
    return f", {abs(share)} % {'above' if share > 0 else 'below'}," if share else ""


def _others(drivers: Sequence[Evidence]) -> str:
    outside = [e for e in drivers[1:] if _direction(e) != 0]
    if not outside:
        return ""
    return f"Also {_listed([f'{_words(e.metric)} {_HIGH_LOW[_direction(e)]}' for e in outside])}."


def _sensor_cause(anomalies: Sequence[StoredAnomaly]) -> str:
    if any(a.anomaly.detector == _SILENCE for a in anomalies):
        return "the instrument, its power or its connection, and nobody knows how the thing itself is"
    return "the instrument rather than what it measures"


def _sureness(anomalies: Sequence[StoredAnomaly]) -> Sureness:
    rarest = min(anomalies, key=lambda a: a.anomaly.p_value).anomaly
    return sureness_of(rarest.p_value, rarest.threshold)


def _clock_time(time: datetime, time_zone: str) -> str:
    return time.astimezone(ZoneInfo(time_zone)).strftime("%H:%M on %d %B")


def _quantity(value: float, unit: str) -> str:
    return f"{_number(value)} {_UNITS.get(unit, unit)}".rstrip()


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _number(value: float) -> str:
    """Return three significant digits at most, no exponent, and no sign before a zero."""
    if abs(value) >= 100:  # noqa: PLR2004
        return f"{value:.0f}"
    return f"{round(value, 3) + 0.0:.3g}"


def describe_data(points: Sequence[Point], expected: int) -> str:
    """Say how good the readings are that an incident rests on.

    Parameters
    ----------
    points
        Of the weightiest series, in the hour that ends with its last abnormal moment.
    expected
        Readings that this hour should have; 0 when not known.
    """
    if not points:
        return "no reading in the hour"
    doubtful = sum(1 for p in points if p.quality in (QualityFlag.SUSPECT, QualityFlag.BAD))
    count = f"{len(points)} of {expected} readings in the hour" if expected else f"{len(points)} readings in the hour"
    return f"{count}, {doubtful} of them doubtful" if doubtful else f"{count}, none doubtful"
