"""Assets, anomalies and incidents for tests, with what does not matter filled in."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from alerts.decisions import RESOLVED, Decision, decide
from core.anomaly import Anomaly, AnomalyKind, Evidence
from core.settings import AlertSettings
from store.incidents import IncidentRow
from store.judgements import StoredAnomaly
from store.registry import StoredAsset

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
CITY = "Europe/Bucharest"
CALM_S, REOPEN_S = 1_800.0, 7_200.0
SETTINGS = AlertSettings(calm_s=CALM_S, reopen_within_s=REOPEN_S)
DMA = StoredAsset(1, "dma-1", "water", "dma", "Grigorescu", 46.7668, 23.5571)
LAMP = StoredAsset(2, "lamp-07", "lighting", "lamp", "", None, None)
FEEDER = StoredAsset(3, "feeder-1", "lighting", "feeder", "Gheorgheni", 46.77, 23.62)
BUS = StoredAsset(4, "hsl:18/1029", "transport", "vehicle", "", None, None)


class StandingClock:
    """Shows the time that it is set to."""

    def __init__(self, time: datetime = NOON) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time

    def to_wall_s(self, span_s: float) -> float:
        return span_s


def at(minutes: float) -> datetime:
    """Return the event time so many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def part(
    metric: str = "flow",
    observed: float | None = 80.0,
    band: tuple[float, float, float] | None = (40.0, 45.0, 50.0),
    unit: str = "m3/h",
    series_id: int = 1,
    share: float = 1.0,
) -> Evidence:
    """Return a series' part; `band` is lower edge, centre and upper edge."""
    lower, centre, upper = band or (None, None, None)
    return Evidence(series_id, metric, unit, observed, centre, lower, upper, share)


def anomaly(
    since: float = 0.0,
    ended: float | None = None,
    *evidence: Evidence,
    number: int = 1,
    kind: AnomalyKind = AnomalyKind.ASSET,
    detector: str = "prophet_band",
    p_value: float = 1e-6,
    severity: float = 50.0,
    asset_id: int = 1,
    retracted: bool = False,
) -> StoredAnomaly:
    """Return an anomaly; `since` and `ended` are minutes after noon."""
    parts = evidence or (part(),)
    last = since if ended is None else max(since, ended - 5)
    end = None if ended is None else at(ended)
    made = Anomaly(
        asset_id, detector, kind, at(since), at(last), end, retracted, at(since + 1), p_value, severity, 3.4, 1e-4,
        "20260310T0000Z-0a1b2c3d", parts,
    )  # fmt: skip
    return StoredAnomaly(number, parts[0].series_id, made)


def taken_back(stored: StoredAnomaly) -> StoredAnomaly:
    return replace(stored, anomaly=replace(stored.anomaly, retracted=True))


def decided(
    latest: IncidentRow | None,
    *anomalies: StoredAnomaly,
    judged_until: float | None = None,
    asset: StoredAsset = DMA,
) -> Decision | None:
    """Return the next decision, with the processing time an hour after noon."""
    until = None if judged_until is None else at(judged_until)
    return decide(asset, latest, anomalies, at(60), SETTINGS, CITY, until)


def opened(*anomalies: StoredAnomaly, asset: StoredAsset = DMA) -> IncidentRow:
    """Return the incident that these anomalies open."""
    decision = decided(None, *anomalies, asset=asset)
    assert decision is not None
    return replace(decision.incident, incident_id=1)


def settled(
    latest: IncidentRow | None, anomalies: Sequence[StoredAnomaly], judged_until: float | None
) -> tuple[list[IncidentRow], list[Decision]]:
    """Apply decisions until there is none; return the incidents, oldest first, and what was decided."""
    incidents = [] if latest is None else [latest]
    decisions: list[Decision] = []
    while (
        decision := decided(incidents[-1] if incidents else None, *anomalies, judged_until=judged_until)
    ) is not None:
        assert len(decisions) < 100, "decisions come to an end"
        decisions.append(decision)
        if decision.incident.incident_id == 0:
            incidents.append(replace(decision.incident, incident_id=len(incidents) + 1))
        else:
            incidents[-1] = decision.incident
    return incidents, decisions


def resolved(*anomalies: StoredAnomaly) -> IncidentRow:
    """Return the incident of anomalies that are over, once it has resolved."""
    row = opened(*anomalies)
    assert row.calm_since is not None
    decision = decided(row, *anomalies, judged_until=1e6)
    assert decision is not None
    assert decision.change == RESOLVED
    return decision.incident
