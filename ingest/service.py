"""The ingest service: wires broker, decoders and store together."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from core.clock import Clock
from core.errors import StoreUnavailableError
from core.logging import Action, Log, log_of
from core.settings import IngestSettings, Settings
from core.units import is_unit
from ingest.backoff import Backoff
from ingest.committer import Committed, Committer, parts_of
from ingest.connection import check_filters
from ingest.inbox import Delivery, Inbox
from ingest.patience import PatientStore
from ingest.session import Session
from store.batches import forget_arrivals
from store.migrate import check_schema

_IDLE_S = 1.0
_CALM_S = 0.002
"""How long the stream must pause for a batch to be closed early."""
_REPORT_EVERY_S = 10.0
_FORGET_EVERY_S = 600.0


def run(settings: Settings, database_url: str, clock: Clock, stop: threading.Event) -> None:
    """Take messages from the broker into the store until `stop` is set; then finish what is in hand.

    A message is acknowledged once the transaction that holds what it says is committed, and in the order in which
    it came. While the database or the broker is away, this waits.

    Raises
    ------
    SettingsError
        If a topic filter is none.
    SchemaError
        If the database's schema is not this version's.
    StoreError
        If the database does not even take a dead letter.
    BrokerUnavailableError
        If the thread that keeps the session has ended.
    """
    log = log_of("ingest")
    check_filters(settings.mqtt)
    store = PatientStore(database_url, stop, Backoff(0.2, 10.0), log)
    inbox = Inbox(settings.ingest.queue_messages)
    backoff = Backoff(1.0, 30.0)
    session = Session(settings.mqtt, settings.ingest.trust_recorded_arrival, inbox, clock, log, backoff)
    pump = _Pump(settings.ingest, inbox, store, clock, log)
    try:
        store.call(check_schema)
        # The first unit takes a second to look up: better now than with messages waiting.
        is_unit("m")
        session.start()
        log.info("ingest started", Action.SERVICE_STARTED, worker=settings.ingest.worker)
        while not stop.is_set():
            session.check()
            pump.turn()
        session.stop_reading()
        pump.drain()
    except StoreUnavailableError:
        if not stop.is_set():
            raise
        log.warning("stopped while the database is away: the broker keeps what was not stored", Action.STORE_LOST)
    finally:
        session.close()
        store.close()
        log.info("ingest stopped", Action.SERVICE_STOPPED, worker=settings.ingest.worker)


class _Pump:
    """Moves messages from the inbox into the store, one batch after the other."""

    def __init__(self, settings: IngestSettings, inbox: Inbox, store: PatientStore, clock: Clock, log: Log) -> None:
        self._settings = settings
        self._inbox = inbox
        self._store = store
        self._clock = clock
        self._committer = Committer(settings)
        self._report = _Report(log)
        self._forget_at_s = time.monotonic() + _FORGET_EVERY_S

    def turn(self) -> None:
        """Commit and acknowledge the next batch; return after a second if nothing comes."""
        if self._inbox.wait(_IDLE_S):
            self._take(self._settings.flush_after_s)
        if time.monotonic() >= self._forget_at_s:
            self._forget_at_s += _FORGET_EVERY_S
            before = self._clock.now() - timedelta(seconds=self._settings.redelivery_window_s)
            self._store.call(lambda connection: forget_arrivals(connection, before))
        self._report.send_if_due()

    def drain(self) -> None:
        """Commit and acknowledge what is left, without waiting for more."""
        while len(self._inbox):
            self._take(0.0)

    def _take(self, flush_after_s: float) -> None:
        deliveries = self._inbox.gather(self._settings.batch_messages, flush_after_s, _CALM_S)
        parts = parts_of([delivery.message for delivery in deliveries])
        self._store.call(lambda connection: self._committer.commit(connection, parts, self._report.add))
        acknowledge(deliveries)


def acknowledge(deliveries: Sequence[Delivery]) -> None:
    """Acknowledge each message on the connection that brought it, in order of arrival."""
    for connection, of_connection in groupby(deliveries, key=lambda delivery: delivery.connection):
        if connection is not None:
            connection.acknowledge([delivery.packet_id for delivery in of_connection])


class _Report:
    """Tells of commits at once, and of what could not be taken every ten seconds at most."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._sent_at_s = 0.0

    def add(self, committed: Committed) -> None:
        """Take note of a commit."""
        account = committed.account
        self._reasons.update({(account.feed, reason): count for reason, count in committed.reasons.items()})
        self._log.debug(
            "committed a batch",
            Action.BATCH_COMMITTED,
            feed=account.feed,
            messages=account.received,
            stored=account.stored,
            duplicate=account.duplicate,
            conflict=account.conflict,
        )

    def send_if_due(self) -> None:
        """Tell how many messages became dead letters, if some did and the last telling is long enough ago."""
        now_s = time.monotonic()
        if not self._reasons or now_s - self._sent_at_s < _REPORT_EVERY_S:
            return
        self._sent_at_s = now_s
        counts = {f"{feed}/{reason}": count for (feed, reason), count in sorted(self._reasons.items())}
        self._reasons.clear()
        self._log.warning("kept messages that could not be taken", Action.MESSAGE_REJECTED, counts=counts)
