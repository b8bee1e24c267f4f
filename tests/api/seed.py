"""A small city with a past, for tests that look at what people see."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core.anomaly import Anomaly, AnomalyKind, Evidence
from core.asset import Asset, Domain, Place, Series
from core.incident import IncidentState
from store.accounts import FeedAccount, add_to_account
from store.arrivals import move_cursor, present_horizon
from store.batches import open_batch, write_readings
from store.copying import ReadingColumns, to_datetime64
from store.database import Connection
from store.incidents import IncidentRow, add_incident, change_incident, one_incident, post, put_under, record_change
from store.judgements import BandColumns, ModelRecord, ScoreRow, add_anomaly, record_model, write_band, write_scores
from store.registry import add_assets, add_series, series_of_assets

STEP_S = 300
STEPS = 288
DETECTOR = "forecast"
MODEL = "2026-03-13T04:00Z"


@dataclass(frozen=True, slots=True)
class Signal:
    """A series and the day that it has had.

    Attributes
    ----------
    centre
        Shape (STEPS,), what the model expects, in `unit`; the last step is now.
    half_width
        Of the band, in `unit`.
    values
        Shape (STEPS,), what was measured; NaN where nothing arrived.
    """

    metric: str
    unit: str
    centre: NDArray[np.float64]
    half_width: float
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an asset, in steps before now; `ended` is None while it lasts."""

    began: int
    ended: int | None
    severity: float
    p_value: float
    kind: AnomalyKind
    explanation: str


def hours() -> NDArray[np.float64]:
    """Return hours before now of each step, from -24 to 0."""
    return np.arange(1 - STEPS, 1, dtype=np.float64) * (STEP_S / 3600)


def signal(metric: str, unit: str, base: float, swing: float, noise: float, seed: int) -> Signal:
    """Return a day that went as expected."""
    wave = np.sin((hours() + 2) / 24 * 2 * np.pi) + 0.45 * np.sin((hours() - 1) / 12 * 2 * np.pi)
    centre = base + swing * wave
    values = centre + np.random.default_rng(seed).normal(0, noise, STEPS)
    return Signal(metric, unit, centre, 3.2 * noise, values)


def bent(normal: Signal, began: int, ended: int | None, by: float) -> Signal:
    """Return the signal with `by` added, ramped up over half an hour, from `began` to `ended` steps before now."""
    steps = np.arange(STEPS - 1, -1, -1)
    ramp = np.clip((began - steps + 1) / 6, 0, 1) * (steps <= began)
    if ended is not None:
        ramp *= steps >= ended
    return Signal(normal.metric, normal.unit, normal.centre, normal.half_width, normal.values + by * ramp)


def add_asset(connection: Connection, asset: Asset, signals: list[Signal], now: datetime) -> tuple[int, dict[str, int]]:
    """Store an asset with a day of readings, bands and scores; return its number and its series' by metric."""
    asset_id = add_assets(connection, [asset])[asset.name]
    add_series(connection, [(asset_id, Series(asset.name, s.metric, s.unit, float(STEP_S), 0.0)) for s in signals])
    numbers = {s.metric: s.series_id for s in series_of_assets(connection, [asset_id])}
    day = (now - timedelta(days=15), now - timedelta(hours=9))
    model_id = record_model(connection, ModelRecord(asset_id, MODEL, (DETECTOR,), *day, day[1], {"seed": 1}))
    for one in signals:
        _write_signal(connection, asset_id, numbers[one.metric], model_id, one, now)
    return asset_id, numbers


def _write_signal(
    connection: Connection, asset_id: int, series_id: int, model_id: int, one: Signal, now: datetime
) -> None:
    times = [now - timedelta(seconds=STEP_S * k) for k in range(STEPS - 1, -1, -1)]
    instants = to_datetime64(times)
    ids = np.full(STEPS, series_id, dtype=np.int32)
    there = np.isfinite(one.values)
    columns = ReadingColumns(
        ids[there], instants[there], one.values[there], np.ones(int(there.sum()), dtype=np.int16), instants[there]
    )
    with connection.transaction():
        batch_id = open_batch(connection, uuid.uuid4(), "live", columns)
        assert batch_id is not None
        write_readings(connection, batch_id, columns)
    lower, upper = one.centre - one.half_width, one.centre + one.half_width
    write_band(connection, model_id, BandColumns(ids, instants, one.centre, lower, upper))
    scores = np.abs(one.values - one.centre) / one.half_width
    write_scores(
        connection,
        [
            ScoreRow(asset_id, series_id, DETECTOR, time, float(score), float(np.exp(-3 * score)), model_id)
            for time, score, here in zip(times, scores, there, strict=True)
            if here
        ],
    )


def add_fault(
    connection: Connection,
    asset_id: int,
    asset: Asset,
    drivers: list[tuple[int, Signal]],
    fault: Fault,
    now: datetime,
) -> int:
    """Store an anomaly and its incident with a history; return the incident's number."""
    since = now - timedelta(seconds=STEP_S * fault.began)
    end = None if fault.ended is None else now - timedelta(seconds=STEP_S * fault.ended)
    anomaly = Anomaly(
        asset_id, DETECTOR, fault.kind, since, end or now, end, False, since + timedelta(minutes=6), fault.p_value,
        fault.severity, 3.4, 0.05, MODEL, _evidence(drivers, fault),
    )  # fmt: skip
    anomaly_id = add_anomaly(connection, drivers[0][0], anomaly)
    row = IncidentRow(
        incident_id=0, asset_id=asset_id, asset=asset.name, domain=asset.domain.value, asset_kind=asset.kind,
        zone=asset.zone, latitude=None, longitude=None, kind=fault.kind.value, state=IncidentState.OPEN.value,
        opened_at=since, updated_at=since, calm_since=None, resolved_at=None, severity=fault.severity,
        explanation=fault.explanation,
    )  # fmt: skip
    incident_id = add_incident(connection, row)
    put_under(connection, incident_id, [anomaly_id])
    opened = since + timedelta(minutes=6)
    record_change(connection, incident_id, opened, "alerts", "opened", f"{DETECTOR} found {asset.name} not normal")
    post(connection, f"{incident_id}-opened", incident_id, "webhook", {"incident": incident_id}, opened)
    if end is not None:
        resolve(connection, incident_id, end)
    return incident_id


def _evidence(drivers: list[tuple[int, Signal]], fault: Fault) -> tuple[Evidence, ...]:
    last = STEPS if fault.ended is None else STEPS - fault.ended
    distances = [np.abs(s.values - s.centre)[STEPS - 1 - fault.began : last] / s.half_width for _, s in drivers]
    worst = [int(np.nanargmax(d)) + STEPS - 1 - fault.began for d in distances]
    weights = [float(np.nanmax(d)) for d in distances]
    parts = [
        Evidence(
            series_id, s.metric, s.unit, float(s.values[k]), float(s.centre[k]), float(s.centre[k] - s.half_width),
            float(s.centre[k] + s.half_width), weight / sum(weights),
        )
        for (series_id, s), k, weight in zip(drivers, worst, weights, strict=True)
    ]  # fmt: skip
    return tuple(sorted(parts, key=lambda part: -part.share))


def resolve(connection: Connection, incident_id: int, at: datetime) -> None:
    """End an incident."""
    row = one_incident(connection, incident_id)
    assert row is not None
    fields = {name: getattr(row, name) for name in IncidentRow.__slots__}
    ended = {"state": IncidentState.RESOLVED.value, "resolved_at": at, "calm_since": at, "updated_at": at}
    change_incident(connection, IncidentRow(**{**fields, **ended}))
    record_change(connection, incident_id, at + timedelta(minutes=30), "alerts", "resolved", "normal for 30 min")


def seed_city(connection: Connection, now: datetime) -> dict[str, int]:
    """Fill a database with six assets, three open incidents and two ended ones; return incidents by asset's name."""
    found = {}
    for number, (asset, signals, drivers, fault) in enumerate(_city()):
        asset_id, series = add_asset(connection, asset, signals, now)
        if fault is not None:
            driving = [(series[s.metric], s) for s in signals if s.metric in drivers]
            found[asset.name] = add_fault(connection, asset_id, asset, driving, fault, now)
        _count_feed(connection, asset, number, now)
    with connection.transaction():
        move_cursor(connection, "engine", present_horizon(connection), now - timedelta(seconds=65))
    return found


def _count_feed(connection: Connection, asset: Asset, number: int, now: datetime) -> None:
    feed = "hfp" if asset.domain is Domain.TRANSPORT else "cityvigil_json"
    counts = FeedAccount(
        feed=feed, received=1_000 + number, accepted=990 + number, without_reading=6, rejected=4, decoded=2_000,
        stored=1_990, duplicate=9, conflict=1, latest_event_at=now - timedelta(seconds=9),
        latest_arrival_at=now - timedelta(seconds=8),
    )  # fmt: skip
    add_to_account(connection, "ingest-1", counts)


_Plan = tuple[Asset, list[Signal], tuple[str, ...], Fault | None]


def _city() -> list[_Plan]:
    return [*_water(), *_lighting(), *_transport()]


def _water() -> list[_Plan]:
    flow = bent(signal("flow", "m3/h", 46, 14, 1.6, 1), 28, None, 19)
    pressure = bent(signal("pressure", "m[H2O]", 41, -2.2, 0.35, 2), 27, None, -4.1)
    level = bent(signal("level", "m", 3.4, 0.5, 0.05, 3), 120, 84, -0.9)
    return [
        (
            Asset("DMA Crângași", Domain.WATER, "dma", Place(44.4527, 26.0468), "West"),
            [flow, pressure],
            ("flow", "pressure"),
            Fault(28, None, 84, 0.00004, AnomalyKind.ASSET,
                  "Flow has been 19 m³/h above its expected band while pressure fell by 4 m. Both together look like "
                  "a burst pipe inside the area."),
        ),
        (
            Asset("Tank Cotroceni", Domain.WATER, "tank", Place(44.4342, 26.0622), "West"),
            [level],
            ("level",),
            Fault(120, 84, 41, 0.0006, AnomalyKind.ASSET, "The level fell 0.9 m below its expected band for 3 hours."),
        ),
        (
            Asset("DMA Titan", Domain.WATER, "dma", Place(44.4200, 26.1600), "East"),
            [signal("flow", "m3/h", 33, 9, 1.1, 4), signal("pressure", "m[H2O]", 38, -1.6, 0.3, 5)],
            (),
            None,
        ),
    ]  # fmt: skip


def _lighting() -> list[_Plan]:
    power = bent(signal("active_power", "W", 5_200, 900, 90, 6), 14, None, -2_600)
    steady = signal("voltage", "V", 231, 1.5, 0.5, 7)
    stuck = bent(signal("active_power", "W", 3_100, 500, 60, 8), 200, 172, 700)
    return [
        (
            Asset("Feeder F-12 Dorobanți", Domain.LIGHTING, "feeder", Place(44.4560, 26.0930), "North"),
            [power, steady],
            ("active_power",),
            Fault(14, None, 58, 0.0003, AnomalyKind.ASSET,
                  "The feeder draws half of its expected power at normal voltage: one of its branches is dark."),
        ),
        (
            Asset("Cabinet C-7 Unirii", Domain.LIGHTING, "cabinet", Place(44.4275, 26.1030), "Centre"),
            [stuck],
            ("active_power",),
            Fault(200, 172, 22, 0.0008, AnomalyKind.ASSET, "Lamps were on 2 hours after sunrise."),
        ),
    ]  # fmt: skip


def _transport() -> list[_Plan]:
    offset = bent(signal("schedule_offset", "s", 60, 25, 22, 9), 40, None, 190)
    return [
        (
            Asset("Tram 41, vehicle 1029", Domain.TRANSPORT, "vehicle", None, ""),
            [offset],
            ("schedule_offset",),
            Fault(40, None, 31, 0.0009, AnomalyKind.SENSOR,
                  "The vehicle reports ever larger delays while its doors keep the timetable: its clock has probably "
                  "drifted."),
        )
    ]  # fmt: skip
