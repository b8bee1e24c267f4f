"""The alerts service: rounds until told to stop, waiting for the database when it is away."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from alerts.outbox import Channel, LogChannel, Outbox, WebhookChannel
from alerts.tracker import Tracker
from core.clock import Clock
from core.errors import SettingsError, StoreUnavailableError
from core.logging import Action, log_of
from core.settings import AlertSettings, Settings
from store.database import connect
from store.migrate import check_schema

_RETRY_AFTER_S = 2.0


def run(settings: Settings, database_url: str, clock: Clock, stop: threading.Event) -> None:
    """Keep incidents and messages in step with the anomalies until `stop` is set.

    Raises
    ------
    SchemaError
        If the schema is not this version's.
    SettingsError
        If the webhook's address is none.
    """
    log = log_of("alerts")
    with open_channels(settings.alerts) as channels:
        while not stop.is_set():
            try:
                _run_connected(settings, database_url, clock, channels, stop)
            except StoreUnavailableError as exc:
                log.warning(f"waiting for the database: {exc}", Action.STORE_LOST, retry_after_s=_RETRY_AFTER_S)
                stop.wait(_RETRY_AFTER_S)
    log.info("alerts stopped", Action.SERVICE_STOPPED)


@contextmanager
def open_channels(settings: AlertSettings) -> Iterator[list[Channel]]:
    """Open the channels that the settings name: the log always, a webhook if there is an address.

    Raises
    ------
    SettingsError
        If the address is none that can be posted to.
    """
    channels: list[Channel] = [LogChannel(log_of("alerts"))]
    with httpx.Client(timeout=settings.webhook_timeout_s) as client:
        if settings.webhook_url is not None:
            channels.append(WebhookChannel(_checked(settings.webhook_url.get_secret_value()), client))
        yield channels


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise SettingsError("CITYVIGIL_ALERTS__WEBHOOK_URL: is not an http or https address")
    return url


def _run_connected(
    settings: Settings, database_url: str, clock: Clock, channels: list[Channel], stop: threading.Event
) -> None:
    log = log_of("alerts")
    names = [channel.name for channel in channels]
    with connect(database_url, "alerts") as connection:
        check_schema(connection)
        tracker = Tracker(connection, settings.alerts, names, settings.time_zone, clock, log)
        outbox = Outbox(connection, settings.alerts, channels, clock, log, random.Random())  # noqa: S311 - jitter
        log.info("alerts started", Action.SERVICE_STARTED, channels=names)
        while not stop.is_set():
            tracker.round()
            outbox.round()
            stop.wait(clock.to_wall_s(settings.alerts.round_s))
