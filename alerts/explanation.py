"""An incident in plain words: what, where, since when, observed against expected, what it may be, how sure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.causes import likely_cause
from core.anomaly import AnomalyKind, Evidence
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
_FLAT_LINE = "flat_line"
_SILENCE = "silence"
_SURE_DECADES = 3.0
_MOST_OTHERS = 3


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
        `very sure`, `sure` or `fairly sure`.
    drivers
        The evidence, one line per series, weightiest first.
    """

    text: str
    cause: str | None
    sureness: str
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
    """Return how far outside its band a value lies, in half-widths; infinite for what has no band."""
    if None in (evidence.observed, evidence.expected, evidence.lower, evidence.upper):
        return math.inf
    observed, expected = evidence.observed or 0.0, evidence.expected or 0.0
    edge = (evidence.lower if observed < expected else evidence.upper) or 0.0
    return abs(observed - expected) / max(abs(edge - expected), 1e-12)


def _direction(evidence: Evidence) -> int:
    if evidence.observed is None or evidence.lower is None or evidence.upper is None:
        return 0
    return int(evidence.observed > evidence.upper) - int(evidence.observed < evidence.lower)


def _main_clause(anomalies: Sequence[StoredAnomaly], drivers: Sequence[Evidence]) -> str:
    detectors = {a.anomaly.detector for a in anomalies}
    first = drivers[0]
    if _SILENCE in detectors:
        return f"no reading of {', '.join(e.metric for e in drivers[:_MOST_OTHERS])}"
    if first.expected is None or first.observed is None:
        stuck = f" at {_number(first.observed)} {first.unit}".rstrip() if first.observed is not None else ""
        return f"{first.metric} has not moved{stuck}"
    band = f"{_number(first.lower)} to {_number(first.upper)}"
    change = _percent(first)
    return (
        f"{first.metric} {_number(first.observed)} {first.unit} where {_number(first.expected)} ({band}) is expected"
        f"{change}"
    )


def _percent(evidence: Evidence) -> str:
    """Return the deviation in per cent, where a share of the expected value says something."""
    observed, expected = evidence.observed or 0.0, evidence.expected or 0.0
    width = (evidence.upper or 0.0) - (evidence.lower or 0.0)
    if abs(expected) <= width:
        return ""
    share = round(100 * (observed - expected) / abs(expected))
    return f", {abs(share)} % {'above' if share > 0 else 'below'}," if share else ""


def _others(drivers: Sequence[Evidence]) -> str:
    outside = [e for e in drivers[1:] if _direction(e) != 0]
    if not outside:
        return ""
    words = [f"{e.metric} {'high' if _direction(e) > 0 else 'low'}" for e in outside[:_MOST_OTHERS]]
    more = len(outside) - len(words)
    return f"Also {', '.join(words)}{f' and {more} more' if more else ''}."


def _sensor_cause(anomalies: Sequence[StoredAnomaly]) -> str:
    if any(a.anomaly.detector == _SILENCE for a in anomalies):
        return "the instrument, its power or its connection, and nobody knows how the thing itself is"
    return "the instrument rather than what it measures"


def _sureness(anomalies: Sequence[StoredAnomaly]) -> str:
    rarest = min(anomalies, key=lambda a: a.anomaly.p_value).anomaly
    decades = math.log10(rarest.threshold / max(rarest.p_value, 1e-300))
    if decades >= 2 * _SURE_DECADES:
        return "very sure"
    return "sure" if decades >= _SURE_DECADES else "fairly sure"


def _clock_time(time: datetime, time_zone: str) -> str:
    return time.astimezone(ZoneInfo(time_zone)).strftime("%H:%M on %d %B")


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"  # noqa: PLR2004


def describe_data(points: Sequence[Point], expected: int) -> str:
    """Say how good the readings are that an incident rests on.

    Parameters
    ----------
    points
        Of the weightiest series, in the hour that ends with its last abnormal moment.
    expected
        Readings that this hour should have; 0 when not known.
    """
    doubtful = sum(1 for p in points if p.quality in (QualityFlag.SUSPECT, QualityFlag.BAD))
    count = f"{len(points)} of {expected} readings in the hour" if expected else f"{len(points)} readings in the hour"
    return f"{count}, {doubtful} of them doubtful" if doubtful else f"{count}, none doubtful"
