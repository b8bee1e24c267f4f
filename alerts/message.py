"""The message that tells of an incident: everything needed to act, in one JSON object."""

from typing import Any

import msgspec

from alerts.decisions import Decision
from store.incidents import IncidentRow

_MAP = "https://www.openstreetmap.org/?mlat={0:.5f}&mlon={1:.5f}#map=18/{0:.5f}/{1:.5f}"


def compose(
    decision: Decision, incident_id: int, data_quality: str, versions: tuple[str, ...], page_url: str
) -> dict[str, Any]:
    """Return the message's body.

    Parameters
    ----------
    data_quality
        How good the readings are that it rests on.
    versions
        Of the models that say so.
    page_url
        Where people reach the page.
    """
    incident, explanation = decision.incident, decision.explanation
    return {
        "incident_id": incident_id,
        "change": decision.change,
        "reason": decision.reason,
        "state": incident.state,
        "kind": incident.kind,
        "queue": "instruments" if incident.kind == "sensor" else "crews",
        "severity": incident.severity,
        "asset": incident.asset,
        "asset_kind": incident.asset_kind,
        "domain": incident.domain,
        "zone": incident.zone,
        "opened_at": incident.opened_at.isoformat(),
        "resolved_at": None if incident.resolved_at is None else incident.resolved_at.isoformat(),
        "explanation": incident.explanation,
        "likely_cause": explanation.cause if explanation else None,
        "sureness": explanation.sureness if explanation else None,
        "data_quality": data_quality,
        "drivers": msgspec.to_builtins(explanation.drivers) if explanation else [],
        "model_versions": list(versions),
        "map_url": _map_url(incident),
        "page_url": f"{page_url.rstrip('/')}/#incident-{incident_id}",
    }


def _map_url(incident: IncidentRow) -> str | None:
    if incident.latitude is None or incident.longitude is None:
        return None
    return _MAP.format(incident.latitude, incident.longitude)
