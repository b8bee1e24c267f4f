"""What becomes of an asset's incident when its anomalies change: pure, so that it can be tried beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from alerts.explanation import Explanation, explain
from core.anomaly import AnomalyKind
from core.incident import IncidentState
from core.settings import AlertSettings
from store.incidents import IncidentRow
from store.judgements import StoredAnomaly
from store.registry import StoredAsset

ENDED = frozenset({IncidentState.RESOLVED.value, IncidentState.DISMISSED.value})

OPENED, REOPENED, RESOLVED = "opened", "reopened", "resolved"
RECLASSIFIED = "reclassified"
"""The thing turned out to be at fault and not its instrument, or the other way round: another queue's business."""
EXTENDED = "extended"
"""Late readings moved the end of what is over."""
CHANGED = "changed"
"""Anything else; neither the history nor a message tells of it."""

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write.

    Attributes
    ----------
    incident
        As it is to be; its number is 0 if it is new.
    change
        `opened`, `reopened`, `resolved`, `reclassified`, `extended` or `changed`.
    reason
        Why, in plain words.
    anomaly_ids
        What belongs under it.
    explanation
        None where only the state changes.
    told
        Whether a message tells of it.
    """

    incident: IncidentRow
    change: str
    reason: str
    anomaly_ids: tuple[int, ...]
    explanation: Explanation | None
    told: bool = True


def decide(
    asset: StoredAsset,
    latest: IncidentRow | None,
    anomalies: Sequence[StoredAnomaly],
    now: datetime,
    settings: AlertSettings,
    time_zone: str,
    judged_until: datetime | None = None,
) -> Decision | None:
    """Decide what becomes of an asset's latest incident; None if nothing does.

    To be repeated with what it has decided until it returns None: an incident that is over makes room for a later one.

    Parameters
    ----------
    latest
        Its latest incident, ended or not.
    anomalies
        Those of the asset that may matter, retracted ones included.
    now
        Processing time.
    judged_until
        Event time up to which the engine has judged; None if it has not, so that no calm can be told.
    """
    real = sorted((a for a in anomalies if not a.anomaly.retracted), key=lambda a: (a.anomaly.since, a.anomaly_id))
    calm_before = None if judged_until is None else judged_until - timedelta(seconds=settings.calm_s)
    if latest is None or latest.state in ENDED:
        mine = _stretch([a for a in real if latest is None or _is_news(a, latest)], settings)
        return _begin(asset, latest, mine, now, settings, time_zone, calm_before) if mine else None
    mine = _stretch([a for a in real if _reaches(a, latest.opened_at)], settings)
    if not mine:
        return _take_back(latest, now)
    changed = _update(asset, latest, mine, now, time_zone)
    return resolve(latest, now) if changed is None and _is_over(latest, calm_before) else changed


def resolve(incident: IncidentRow, now: datetime) -> Decision:
    """Resolve an incident whose calm has lasted long enough."""
    resolved = replace(incident, state=IncidentState.RESOLVED.value, resolved_at=incident.calm_since, updated_at=now)
    return Decision(resolved, RESOLVED, "the readings are normal again", (), None)


def _ids(anomalies: Sequence[StoredAnomaly]) -> tuple[int, ...]:
    return tuple(a.anomaly_id for a in anomalies)


def _reaches(stored: StoredAnomaly, time: datetime) -> bool:
    return _end(stored) >= time


def _end(stored: StoredAnomaly) -> datetime:
    return stored.anomaly.ended_at or _NEVER


def _is_over(incident: IncidentRow, calm_before: datetime | None) -> bool:
    return incident.calm_since is not None and calm_before is not None and incident.calm_since <= calm_before


def _is_news(stored: StoredAnomaly, ended: IncidentRow) -> bool:
    """Return whether an anomaly says something that an ended incident does not."""
    if ended.state == IncidentState.DISMISSED.value:
        return stored.anomaly.since > ended.updated_at
    if stored.anomaly.ended_at is None or ended.resolved_at is None or ended.calm_since is None:
        return True
    return stored.anomaly.ended_at >= ended.resolved_at and stored.anomaly.last_at > ended.calm_since


def _stretch(anomalies: Sequence[StoredAnomaly], settings: AlertSettings) -> list[StoredAnomaly]:
    """Return the first of them, by start, and those that follow without a calm so long that they are another fault."""
    longest_calm = timedelta(seconds=max(settings.calm_s, settings.reopen_within_s))
    found: list[StoredAnomaly] = []
    end: datetime | None = None
    for stored in anomalies:
        if end is not None and stored.anomaly.since - end > longest_calm:
            break
        found.append(stored)
        end = _end(stored) if end is None else max(end, _end(stored))
    return found


def _begin(
    asset: StoredAsset,
    ended: IncidentRow | None,
    mine: Sequence[StoredAnomaly],
    now: datetime,
    settings: AlertSettings,
    time_zone: str,
    calm_before: datetime | None,
) -> Decision:
    row, explanation = _row(asset, 0, mine, now, time_zone)
    is_over = _is_over(row, calm_before)
    if ended is None or ended.state != IncidentState.RESOLVED.value or not _is_relapse(ended, row, settings):
        # What was over before it was seen is told once, when it is resolved.
        return Decision(row, OPENED, explanation.text, _ids(mine), explanation, told=not is_over)
    row = replace(row, incident_id=ended.incident_id, opened_at=ended.opened_at)
    if is_over:
        row = replace(row, state=IncidentState.RESOLVED.value, resolved_at=row.calm_since)
        return Decision(row, EXTENDED, "late readings have moved its end", _ids(mine), explanation, told=False)
    return Decision(row, REOPENED, "it came back", _ids(mine), explanation)


def _is_relapse(ended: IncidentRow, row: IncidentRow, settings: AlertSettings) -> bool:
    within = timedelta(seconds=settings.reopen_within_s)
    return ended.resolved_at is not None and row.opened_at - ended.resolved_at <= within


def _update(
    asset: StoredAsset, running: IncidentRow, mine: Sequence[StoredAnomaly], now: datetime, time_zone: str
) -> Decision | None:
    row, explanation = _row(asset, running.incident_id, mine, now, time_zone)
    row = replace(row, state=running.state, severity=max(row.severity, running.severity))
    if replace(row, updated_at=running.updated_at) == running:
        return None
    if row.kind != running.kind:
        culprit = "the thing itself" if row.kind == AnomalyKind.ASSET.value else "the instrument"
        return Decision(row, RECLASSIFIED, f"it is {culprit} after all", _ids(mine), explanation)
    return Decision(row, CHANGED, explanation.text, _ids(mine), explanation, told=False)


def _take_back(running: IncidentRow, now: datetime) -> Decision:
    resolved = replace(
        running,
        state=IncidentState.RESOLVED.value,
        calm_since=running.calm_since or running.opened_at,
        resolved_at=running.calm_since or running.opened_at,
        updated_at=now,
    )
    return Decision(resolved, RESOLVED, "late readings have shown that nothing was wrong", (), None)


def _row(
    asset: StoredAsset, incident_id: int, mine: Sequence[StoredAnomaly], now: datetime, time_zone: str
) -> tuple[IncidentRow, Explanation]:
    kind = kind_of(mine)
    explanation = explain(asset, kind, mine, time_zone)
    lasting = any(a.anomaly.ended_at is None for a in mine)
    row = IncidentRow(
        incident_id=incident_id,
        asset_id=asset.asset_id,
        asset=asset.name,
        domain=asset.domain,
        asset_kind=asset.kind,
        zone=asset.zone,
        latitude=asset.latitude,
        longitude=asset.longitude,
        kind=kind.value,
        state=IncidentState.OPEN.value,
        opened_at=min(a.anomaly.since for a in mine),
        updated_at=now,
        calm_since=None if lasting else max(max(_end(a), a.anomaly.last_at) for a in mine),
        resolved_at=None,
        severity=max(a.anomaly.severity for a in mine),
        explanation=explanation.text,
    )
    return row, explanation


def kind_of(anomalies: Sequence[StoredAnomaly]) -> AnomalyKind:
    """Return whether it is the thing or the instrument.

    It is the thing if something was odd before the instrument was, or if series are odd whose instruments are not:
    a lamp that is out shows a flat zero after a while, and that is no fault of its meter.
    """
    sensor = [a for a in anomalies if a.anomaly.kind is AnomalyKind.SENSOR]
    if not sensor:
        return AnomalyKind.ASSET
    first_lie = min(a.anomaly.since for a in sensor)
    lying = {e.series_id for a in sensor for e in a.anomaly.evidence}
    for stored in anomalies:
        if stored.anomaly.kind is AnomalyKind.ASSET:
            driving = {e.series_id for e in stored.anomaly.evidence if e.share >= 1 / len(stored.anomaly.evidence)}
            if stored.anomaly.since <= first_lie or not driving <= lying:
                return AnomalyKind.ASSET
    return AnomalyKind.SENSOR
