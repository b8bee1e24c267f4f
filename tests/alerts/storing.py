"""Assets and anomalies in a real database, as the engine would write them."""

from dataclasses import replace
from datetime import datetime

from alerts.tracker import Tracker
from core.anomaly import Evidence
from core.asset import Asset, Domain, Place, Series
from core.logging import log_of
from store.arrivals import move_cursor, present_horizon
from store.database import Connection, transaction
from store.judgements import StoredAnomaly, add_anomaly, revise_anomaly
from store.registry import add_assets, add_series, series_of_assets
from tests.alerts.making import CITY, SETTINGS, StandingClock

CHANNELS = ("log", "webhook")


def add_dma(connection: Connection, name: str = "dma-1") -> tuple[int, int]:
    """Return the numbers of a new asset and of its flow."""
    asset = Asset(name, Domain.WATER, "dma", Place(46.7668, 23.5571), "Grigorescu")
    asset_id = add_assets(connection, [asset])[name]
    add_series(connection, [(asset_id, Series(name, "flow", "m3/h", 300.0))])
    return asset_id, series_of_assets(connection, [asset_id])[0].series_id


def owned(stored: StoredAnomaly, asset_id: int, series_id: int) -> StoredAnomaly:
    """Return the anomaly as one of this asset's flow."""

    def mine(evidence: Evidence) -> Evidence:
        return replace(evidence, series_id=series_id)

    parts = tuple(mine(e) for e in stored.anomaly.evidence)
    return StoredAnomaly(stored.anomaly_id, series_id, replace(stored.anomaly, asset_id=asset_id, evidence=parts))


def engine_finds(connection: Connection, stored: StoredAnomaly, judged_until: datetime) -> int:
    """Write a new anomaly and the engine's watermark in one transaction; return the anomaly's number."""
    with transaction(connection):
        number = add_anomaly(connection, stored.series_id, stored.anomaly)
        move_cursor(connection, "engine", present_horizon(connection), judged_until)
    return number


def engine_revises(connection: Connection, number: int, stored: StoredAnomaly, judged_until: datetime) -> None:
    with transaction(connection):
        revise_anomaly(connection, number, stored.anomaly)
        move_cursor(connection, "engine", present_horizon(connection), judged_until)


def engine_reaches(connection: Connection, judged_until: datetime) -> None:
    with transaction(connection):
        move_cursor(connection, "engine", present_horizon(connection), judged_until)


def tracker(connection: Connection, clock: StandingClock | None = None) -> Tracker:
    return Tracker(connection, SETTINGS, CHANNELS, CITY, clock or StandingClock(), log_of("tests"))
