"""What becomes of an asset's incident when its anomalies change: pure, so that it can be tried beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.explanation import Explanation, explain
from core.anomaly import AnomalyKind
from core.incident import IncidentState
from core.settings import AlertSettings
from store.incidents import IncidentRow
from store.judgements import StoredAnomaly
from store.registry import StoredAsset

ENDED = frozenset({IncidentState.RESOLVED.value, IncidentState.DISMISSED.value})

OPENED, REOPENED, RESOLVED, CHANGED = "opened", "reopened", "resolved", "changed"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write.

    Attributes
    ----------
    incident
        As it is to be; its number is 0 if it is new.
    change
        `opened`, `reopened`, `resolved`, or `changed` for anything that no one needs to be told of.
    reason
        Why, in plain words.
    anomaly_ids
        What belongs under it.
    explanation
        None where only the state changes.
    """

    incident: IncidentRow
    change: str
    reason: str
    anomaly_ids: tuple[int, ...]
    explanation: Explanation | None


def decide(
    asset: StoredAsset,
    latest: IncidentRow | None,
    anomalies: Sequence[StoredAnomaly],
    now: datetime,
    settings: AlertSettings,
    time_zone: str,
) -> Decision | None:
    """Decide what becomes of an asset's latest incident; None if nothing does.

    Parameters
    ----------
    latest
        Its latest incident, ended or not.
    anomalies
        Those of the asset that may matter, retracted ones included.
    now
        Processing time.
    """
    real = [a for a in anomalies if not a.anomaly.retracted]
    running = latest if latest is not None and latest.state not in ENDED else None
    if running is not None:
        mine = [a for a in real if _reaches(a, running.opened_at)]
        return _update(asset, running, mine, now, time_zone) if mine else _take_back(running, now)
    fresh = [a for a in real if latest is None or latest.resolved_at is None or _reaches(a, latest.resolved_at)]
    fresh = [a for a in fresh if latest is None or latest.calm_since is None or a.anomaly.last_at > latest.calm_since]
    if not fresh:
        return None
    explained = _row(asset, 0, fresh, now, time_zone)
    relapse = (
        latest is not None
        and latest.resolved_at is not None
        and (explained[0].opened_at - latest.resolved_at <= timedelta(seconds=settings.reopen_within_s))
    )
    if relapse and latest is not None and latest.state == IncidentState.RESOLVED.value:
        row = replace(explained[0], incident_id=latest.incident_id, opened_at=latest.opened_at)
        return Decision(row, REOPENED, "it came back", _ids(fresh), explained[1])
    return Decision(explained[0], OPENED, explained[1].text, _ids(fresh), explained[1])


def resolve(incident: IncidentRow, now: datetime) -> Decision:
    """Resolve an incident whose calm has lasted long enough."""
    resolved = replace(incident, state=IncidentState.RESOLVED.value, resolved_at=incident.calm_since, updated_at=now)
    return Decision(resolved, RESOLVED, "the readings are normal again", (), None)


def _ids(anomalies: Sequence[StoredAnomaly]) -> tuple[int, ...]:
    return tuple(a.anomaly_id for a in anomalies)


def _reaches(stored: StoredAnomaly, time: datetime) -> bool:
    return stored.anomaly.ended_at is None or stored.anomaly.ended_at >= time


def _update(
    asset: StoredAsset, running: IncidentRow, mine: Sequence[StoredAnomaly], now: datetime, time_zone: str
) -> Decision | None:
    row, explanation = _row(asset, running.incident_id, mine, now, time_zone)
    row = replace(row, state=running.state, severity=max(row.severity, running.severity))
    if replace(row, updated_at=running.updated_at) == running:
        return None
    return Decision(row, CHANGED, explanation.text, _ids(mine), explanation)


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
        calm_since=None if lasting else max(a.anomaly.ended_at or a.anomaly.last_at for a in mine),
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
