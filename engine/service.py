"""The engine as a service: rounds until told to stop, waiting for the database when it is away."""

import threading

from core.calendar import Calendar
from core.clock import Clock
from core.errors import StoreUnavailableError
from core.logging import Action, log_of
from core.settings import Settings
from engine.asset_model import AssetModel
from engine.budget import opening_p_value
from engine.fitting import Fitter, open_fitter
from engine.judging import Rules
from engine.loop import Engine
from engine.plan import detectors_of
from store.database import connect
from store.migrate import check_schema

_RETRY_AFTER_S = 2.0


def run(settings: Settings, database_url: str, clock: Clock, stop: threading.Event) -> None:
    """Judge until `stop` is set.

    A lost database costs nothing but time: the engine starts again from what it has committed.

    Raises
    ------
    SchemaError
        If the schema is not this version's.
    SettingsError
        If a detector is wanted that there is none of.
    """
    log = log_of("engine")
    detectors_of(settings.engine)
    models: dict[int, AssetModel] = {}
    with open_fitter(settings.engine.workers, settings.dask_scheduler) as fitter:
        while not stop.is_set():
            try:
                _run_connected(settings, database_url, clock, fitter, models, stop)
            except StoreUnavailableError as exc:
                log.warning(f"waiting for the database: {exc}", Action.STORE_LOST, retry_after_s=_RETRY_AFTER_S)
                stop.wait(_RETRY_AFTER_S)
    log.info("engine stopped", Action.SERVICE_STOPPED)


def rules_of(settings: Settings) -> Rules:
    """Return what is the same for every asset."""
    step_s = settings.engine.step_s
    return Rules(
        step_s, Calendar(settings.time_zone, settings.country), opening_p_value(settings.alerts.budget, step_s)
    )


def _run_connected(
    settings: Settings,
    database_url: str,
    clock: Clock,
    fitter: Fitter,
    models: dict[int, AssetModel],
    stop: threading.Event,
) -> None:
    log = log_of("engine")
    with connect(database_url, "engine") as connection:
        check_schema(connection)
        engine = Engine(connection, settings.engine, rules_of(settings), clock, fitter, log, models)
        engine.start()
        log.info("engine started", Action.SERVICE_STARTED)
        while not stop.is_set():
            done = engine.round()
            log.debug(
                f"judged {done.scores} scores from {done.readings} new readings",
                Action.ROUND_JUDGED,
                readings=done.readings,
                scores=done.scores,
                changes=done.changes,
            )
            stop.wait(clock.to_wall_s(settings.engine.round_s))
