"""Prometheus metrics, read from the store at each scrape, so that every process may answer for all.

Source: Prometheus, *Metric and label naming*; OpenMetrics 1.0.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import cast

from fastapi import Request
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.context import Context
from core.asset import Domain
from core.errors import CityVigilError
from store.accounts import FeedAccount, feed_accounts
from store.database import Connection, borrowed
from store.incidents import outbox_counts, unended_by_domain
from store.overview import registry_counts
from store.status import engine_state

_FEED_COUNTERS: tuple[tuple[str, str, str], ...] = (
    ("messages_received", "received", "Messages that arrived."),
    ("messages_accepted", "accepted", "Messages whose readings or events were taken."),
    ("messages_without_reading", "without_reading", "Messages that lawfully say nothing to store."),
    ("messages_rejected", "rejected", "Messages kept as dead letters."),
    ("messages_stale_retained", "stale_retained", "Retained messages that say nothing about now."),
    ("messages_quarantined", "quarantined", "Messages of unknown devices, kept until somebody registers them."),
    ("readings_decoded", "decoded", "Readings that messages held."),
    ("readings_stored", "stored", "Readings that were new and were stored."),
    ("readings_duplicate", "duplicate", "Readings that were stored before with the same value."),
    ("readings_conflict", "conflict", "Readings that contradict a stored one; kept apart."),
    ("events_stored", "events_stored", "Events that were new and were stored."),
)


class StoreCollector(Collector):
    """Reads the metrics when a scraper asks for them.

    Parameters
    ----------
    context
        Where the pool and the clock come from.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the registry must not ask the database when it is built."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; only `cityvigil_store_up 0` when the database does not answer."""
        try:
            with borrowed(self._context.pool) as connection:
                found = list(_families(connection, self._context.clock.now()))
            up = 1
        except CityVigilError:
            found, up = [], 0
        yield GaugeMetricFamily("cityvigil_store_up", "Whether the database answered (1) or not (0).", value=up)
        yield from found


def build_registry(context: Context) -> CollectorRegistry:
    """Return a registry of its own for one application."""
    registry = CollectorRegistry()
    registry.register(StoreCollector(context))
    return registry


def registry_of(request: Request) -> CollectorRegistry:
    """Return the registry that the application's lifespan has made."""
    return cast("CollectorRegistry", request.state.metrics)


def _families(connection: Connection, now: datetime) -> Iterator[Metric]:
    yield from _feed_families(feed_accounts(connection), now)
    yield from _engine_families(connection, now)
    yield from _incident_families(connection)
    counts = registry_counts(connection)
    yield GaugeMetricFamily("cityvigil_assets", "Assets in the registry.", value=counts.assets)
    yield GaugeMetricFamily("cityvigil_series", "Series in the registry.", value=counts.series)


def _feed_families(accounts: list[FeedAccount], now: datetime) -> Iterator[Metric]:
    for name, attribute, text in _FEED_COUNTERS:
        counter = CounterMetricFamily(f"cityvigil_{name}", text, labels=["feed"])
        for account in accounts:
            counter.add_metric([account.feed], getattr(account, attribute))
        yield counter
    silence = GaugeMetricFamily(
        "cityvigil_feed_silence_seconds",
        "Seconds of the service's clock since a feed's latest message.",
        labels=["feed"],
    )
    for account in accounts:
        if account.latest_arrival_at is not None:
            silence.add_metric([account.feed], (now - account.latest_arrival_at).total_seconds())
    yield silence


def _engine_families(connection: Connection, now: datetime) -> Iterator[Metric]:
    state = engine_state(connection)
    yield _age(
        "cityvigil_engine_lag_seconds", "Service time less the event time judged up to.", state.judged_until, now
    )
    yield _age(
        "cityvigil_model_age_seconds",
        "Service time less the end of the oldest model's history.",
        state.oldest_training,
        now,
    )
    yield GaugeMetricFamily("cityvigil_models", "Assets that have a model.", value=state.models)


def _age(name: str, text: str, time: datetime | None, now: datetime) -> Metric:
    # Without a sample rather than 0 where there is nothing to measure: an engine that never ran has no lag.
    gauge = GaugeMetricFamily(name, f"Seconds: {text}", labels=[])
    if time is not None:
        gauge.add_metric([], (now - time).total_seconds())
    return gauge


def _incident_families(connection: Connection) -> Iterator[Metric]:
    unended = unended_by_domain(connection)
    incidents = GaugeMetricFamily("cityvigil_incidents_open", "Incidents that are not ended.", labels=["domain"])
    for domain in Domain:
        incidents.add_metric([domain.value], unended.get(domain, 0))
    yield incidents
    waiting = GaugeMetricFamily("cityvigil_outbox_waiting", "Messages that wait to be sent.", labels=["channel"])
    sent = CounterMetricFamily("cityvigil_outbox_sent", "Messages that a channel took.", labels=["channel"])
    failed = CounterMetricFamily("cityvigil_outbox_failed", "Messages given up after all attempts.", labels=["channel"])
    for count in outbox_counts(connection):
        waiting.add_metric([count.channel], count.waiting)
        sent.add_metric([count.channel], count.sent)
        failed.add_metric([count.channel], count.failed)
    yield from (waiting, sent, failed)
