"""What the API answers. Times are RFC 3339 in UTC; each number has its unit in its name or description."""

import math
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.anomaly import AnomalyKind, Sureness
from core.asset import Domain
from core.incident import IncidentState


def _in_utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


UtcTime = Annotated[datetime, AfterValidator(_in_utc)]
"""RFC 3339, UTC."""

Number = Annotated[float | None, AfterValidator(_finite)]
"""A finite number; null where there is none, for JSON knows neither NaN nor infinity."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class PlaceModel(_Model):
    """A point on the ground, WGS 84."""

    latitude: float = Field(description="Decimal degrees, north positive.")
    longitude: float = Field(description="Decimal degrees, east positive.")


class AssetModel(_Model):
    """A thing that can break."""

    asset_id: int
    name: str
    domain: Domain
    kind: str
    zone: str = Field(description="Part of the city; empty when not known.")
    place: PlaceModel | None = Field(description="Null for what moves or is not known.")


class AssetList(_Model):
    """Every asset."""

    assets: list[AssetModel]


class SeriesModel(_Model):
    """One metric of one asset."""

    series_id: int
    asset_id: int
    asset: str = Field(description="Name of the asset.")
    metric: str
    unit: str = Field(description="UCUM code; empty when nobody says it.")
    expected_interval_s: float | None = Field(description="Seconds between two readings; null when not known.")
    lower_limit: float | None = Field(description="Physical limit, in `unit`.")
    upper_limit: float | None = Field(description="Physical limit, in `unit`.")


class SeriesList(_Model):
    """Series, by asset and metric."""

    series: list[SeriesModel]


class PointModel(_Model):
    """A reading, or a step of readings where there are more than an answer holds."""

    time: UtcTime = Field(description="Event time of the reading, or start of the step.")
    value: float = Field(description="The reading, or the step's mean, in the series' unit.")
    least: float = Field(description="Smallest reading of the step, in the series' unit.")
    largest: float = Field(description="Largest reading of the step, in the series' unit.")
    quality: int = Field(description="QARTOD flag, the worst of the step: 1 good, 2 not evaluated, 3 suspect, 4 bad.")


class BandPoint(_Model):
    """What a model says the value should have been, in the series' unit."""

    time: UtcTime
    centre: Number
    lower: Number
    upper: Number


class ScoreModel(_Model):
    """How abnormal a detector found the series."""

    time: UtcTime
    score: Number = Field(description="Without unit; high is abnormal. Null means not judged.")
    p_value: Number = Field(description="0 to 1, calibrated against the series' own past; small is abnormal.")


class ScoreLine(_Model):
    """One detector's scores."""

    detector: str
    scores: list[ScoreModel]


class ReadingsAnswer(_Model):
    """One series over a span of event time."""

    series: SeriesModel
    since: UtcTime = Field(description="Inclusive.")
    until: UtcTime = Field(description="Inclusive.")
    readings: list[PointModel]
    band: list[BandPoint]
    scores: list[ScoreLine]


class CertaintyModel(_Model):
    """How rare an incident's anomalies are, and how good the data behind them is."""

    p_value: Number = Field(description="Smallest p-value of its anomalies, 0 to 1.")
    sureness: Sureness = Field(description="The same in words, beside the p-value at which anomalies open.")
    readings: int = Field(description="Readings of the driving series in the hour up to the last abnormal moment.")
    doubtful: int = Field(description="How many of them are flagged suspect, bad or missing.")
    expected: int | None = Field(description="Readings that the hour should have brought; null when not known.")


class IncidentModel(_Model):
    """Anomalies with one cause."""

    incident_id: int
    asset: AssetModel
    kind: AnomalyKind = Field(description="`asset`: the thing is broken; `sensor`: its instrument lies.")
    state: IncidentState
    severity: float = Field(description="0 to 100.")
    opened_at: UtcTime = Field(description="Event time of the first abnormal moment.")
    updated_at: UtcTime = Field(description="Processing time of the last change.")
    calm_since: UtcTime | None = Field(description="Event time since when nothing abnormal lasts; null while it does.")
    resolved_at: UtcTime | None = Field(description="Event time of the end; null while open.")
    explanation: str
    certainty: CertaintyModel | None = Field(description="Null where every anomaly was taken back.")


class IncidentList(_Model):
    """Incidents, newest first."""

    incidents: list[IncidentModel]


class EvidenceModel(_Model):
    """One series' part in an anomaly."""

    series_id: int
    metric: str
    unit: str = Field(description="UCUM code of the next four numbers.")
    observed: Number = Field(description="Value at the worst moment.")
    expected: Number = Field(description="What the model expected there; null without a band.")
    lower: Number
    upper: Number
    share: float = Field(description="Part of the anomaly's weight that this series carries, 0 to 1.")


class AnomalyModel(_Model):
    """A stretch of time in which signals were not normal."""

    anomaly_id: int
    series_id: int | None = Field(description="Null for a judgement over all signals of the asset.")
    detector: str
    kind: AnomalyKind
    since: UtcTime
    last_at: UtcTime = Field(description="Latest abnormal event time.")
    ended_at: UtcTime | None = Field(description="Event time at which it was normal again; null while it lasts.")
    retracted: bool = Field(description="True when late data has shown that it never was.")
    detected_at: UtcTime = Field(description="Processing time of its first record.")
    p_value: Number = Field(description="Smallest so far, 0 to 1.")
    severity: float = Field(description="0 to 100.")
    score: Number = Field(description="Largest so far, without unit.")
    threshold: Number = Field(description="The p-value below which it opened.")
    model_version: str
    evidence: list[EvidenceModel] = Field(description="By falling share.")


class ChangeModel(_Model):
    """One line of an incident's history."""

    at: UtcTime
    actor: str
    change: str
    reason: str


class IncidentDetail(IncidentModel):
    """An incident with what it rests on."""

    anomalies: list[AnomalyModel] = Field(description="Weightiest first; those that were taken back included.")
    history: list[ChangeModel] = Field(description="Oldest first.")


class ClockModel(_Model):
    """The time that the service goes by."""

    now: UtcTime
    simulated: bool = Field(description="True when it is not the machine's own clock: a drill or a replay.")
    speed: float = Field(description="Seconds of this clock per second of the machine.")


class CityModel(_Model):
    """Where and when this is."""

    time_zone: str = Field(description="IANA name.")
    country: str = Field(description="ISO 3166-1 code.")
    clock: ClockModel


class FeedModel(_Model):
    """The account of a feed since the beginning: messages first, then readings, then events."""

    feed: str
    received: int
    accepted: int
    without_reading: int
    rejected: int
    stale_retained: int
    quarantined: int
    decoded: int
    stored: int
    duplicate: int
    conflict: int
    events_stored: int
    events_duplicate: int
    latest_event_at: UtcTime | None
    latest_arrival_at: UtcTime | None
    silent_for_s: float | None = Field(description="Seconds of the service's clock since the latest arrival.")
    closes: bool = Field(description="Whether what came equals what became of it, in messages and in readings.")


class EngineModel(_Model):
    """How far the engine is."""

    moved_at: UtcTime | None = Field(description="The database's time of its last round; null if it never ran.")
    judged_until: UtcTime | None = Field(description="Event time up to which it has judged.")
    lag_s: float | None = Field(description="Seconds of the service's clock since `judged_until`.")
    models: int = Field(description="Assets that have a model.")
    oldest_training: UtcTime | None = Field(description="Event time that the oldest model in use was trained until.")
    model_age_s: float | None = Field(description="Seconds of the service's clock since then.")


class OutboxModel(_Model):
    """Messages of one channel."""

    channel: str
    waiting: int
    sent: int
    failed: int


class StatusModel(_Model):
    """How everything is."""

    clock: ClockModel
    assets: int
    series: int
    incidents_open: dict[Domain, int] = Field(description="Incidents that are not ended, by domain.")
    feeds: list[FeedModel]
    engine: EngineModel
    outbox: list[OutboxModel]


class HealthModel(_Model):
    """The process runs, or is ready to answer."""

    status: Literal["ok", "ready"]
