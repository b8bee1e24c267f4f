"""An incident: anomalies with one cause, and what people and data make of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class IncidentState(StrEnum):
    """Where an incident stands; the last two end it."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


class Verdict(StrEnum):
    """What a person found."""

    TRUE = "true"
    FALSE = "false"
    WRONG_PLACE = "wrong_place"
    SENSOR_FAULT = "sensor_fault"
    PLANNED_WORK = "planned_work"


@dataclass(frozen=True, slots=True)
class Incident:
    """Anomalies with one cause, told once.

    Attributes
    ----------
    incident_id
        The store's number.
    asset_id, asset, domain, asset_kind
        What is broken, or whose instrument lies.
    kind
        `asset` or `sensor`, as of its weightiest anomaly.
    state
        Where it stands.
    opened_at, updated_at, resolved_at
        Event time of its start, processing time of its last change, event time of its end (None while open).
    severity
        0 to 100.
    explanation
        One or two sentences for an operator.
    """

    incident_id: int
    asset_id: int
    asset: str
    domain: str
    asset_kind: str
    kind: str
    state: IncidentState
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    severity: float
    explanation: str
