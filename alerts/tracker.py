"""Follows anomalies and keeps incidents in step with them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from alerts.decisions import CHANGED, OPENED, REOPENED, RESOLVED, Decision, decide
from alerts.explanation import describe_data
from alerts.message import compose
from core.clock import Clock
from core.logging import Action, Log
from core.settings import AlertSettings
from store.arrivals import BEGINNING, anomalies_since, move_cursor, read_cursor
from store.database import Connection, transaction
from store.incidents import (
    IncidentRow,
    add_incident,
    calming_assets,
    change_incident,
    latest_incident,
    lock_asset,
    post,
    put_under,
    record_change,
)
from store.judgements import StoredAnomaly, anomalies_of_asset
from store.registry import one_series
from store.series_data import points
from store.status import engine_state

CONSUMER = "alerts"
ACTOR = "cityvigil"

_LOOK_BACK = timedelta(days=7)
_HOUR = timedelta(hours=1)
_MOST_POINTS = 10_000
_ACTIONS = {
    OPENED: Action.INCIDENT_OPENED,
    REOPENED: Action.INCIDENT_REOPENED,
    RESOLVED: Action.INCIDENT_RESOLVED,
}


class Tracker:
    """Turns changed anomalies into changed incidents, and those into messages in the outbox.

    Parameters
    ----------
    channels
        Names of the channels that every message goes to.
    time_zone
        The city's; times in explanations are told on its clock.
    """

    def __init__(
        self,
        connection: Connection,
        settings: AlertSettings,
        channels: Sequence[str],
        time_zone: str,
        clock: Clock,
        log: Log,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._channels = tuple(channels)
        self._time_zone = time_zone
        self._clock = clock
        self._log = log

    def round(self) -> int:
        """Take in what has changed since the last round and return how many changes that made to incidents.

        Each change is one transaction; the cursor moves in the last of them, so a crash repeats work and loses none.
        """
        # In this order: an anomaly that the engine commits in between must not look like calm.
        judged_until = engine_state(self._connection).judged_until
        horizon, assets = anomalies_since(self._connection, read_cursor(self._connection, CONSUMER) or BEGINNING)
        if judged_until is not None:
            calm_before = judged_until - timedelta(seconds=self._settings.calm_s)
            assets.update(calming_assets(self._connection, calm_before))
        changed = 0
        for asset_id in sorted(assets):
            while self._follow(asset_id, judged_until):
                changed += 1
        with transaction(self._connection):
            move_cursor(self._connection, CONSUMER, horizon, judged_until)
        return changed

    def _follow(self, asset_id: int, judged_until: datetime | None) -> bool:
        """Make the next change to an asset's incidents; False if there is none."""
        now = self._clock.now()
        with transaction(self._connection):
            asset = lock_asset(self._connection, asset_id)
            latest = latest_incident(self._connection, asset_id)
            since = (judged_until or now) - _LOOK_BACK
            if latest is not None and latest.resolved_at is None:
                since = min(since, latest.opened_at)
            anomalies = anomalies_of_asset(self._connection, asset_id, since)
            decision = decide(asset, latest, anomalies, now, self._settings, self._time_zone, judged_until)
            if decision is None:
                return False
            self._apply(decision, anomalies)
        self._say(decision)
        return True

    def _apply(self, decision: Decision, anomalies: Sequence[StoredAnomaly]) -> None:
        incident = decision.incident
        if decision.change == OPENED:
            incident_id = add_incident(self._connection, incident)
        else:
            incident_id = incident.incident_id
            change_incident(self._connection, incident)
        put_under(self._connection, incident_id, decision.anomaly_ids)
        if decision.change == CHANGED:
            return
        event_id = record_change(
            self._connection, incident_id, incident.updated_at, ACTOR, decision.change, decision.reason
        )
        if not decision.told:
            return
        mine = [a for a in anomalies if a.anomaly_id in decision.anomaly_ids]
        versions = tuple(sorted({a.anomaly.model_version for a in mine}))
        body = compose(decision, incident_id, self._data_quality(decision, mine), versions, self._settings.page_url)
        self._post(incident_id, event_id, body, incident)

    def _post(self, incident_id: int, event_id: int, body: dict[str, Any], incident: IncidentRow) -> None:
        for channel in self._channels:
            key = f"incident-{incident_id}-event-{event_id}-{channel}"
            post(self._connection, key, incident_id, channel, {**body, "key": key}, incident.updated_at)

    def _data_quality(self, decision: Decision, mine: Sequence[StoredAnomaly]) -> str:
        if decision.explanation is None or not decision.explanation.drivers:
            return ""
        series_id = decision.explanation.drivers[0].series_id
        last_at = max(a.anomaly.last_at for a in mine)
        series = one_series(self._connection, series_id)
        interval_s = series.expected_interval_s if series else None
        found = points(self._connection, series_id, last_at - _HOUR + timedelta(microseconds=1), last_at, _MOST_POINTS)
        return describe_data(found, round(_HOUR.total_seconds() / interval_s) if interval_s else 0)

    def _say(self, decision: Decision) -> None:
        action = _ACTIONS.get(decision.change)
        if action is not None:
            incident = decision.incident
            self._log.info(
                f"incident {decision.change}: {incident.explanation}",
                action,
                asset=incident.asset,
                severity=incident.severity,
            )
