"""A connection to the database that is opened again whenever it is lost."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import psycopg

from core.errors import StoreUnavailableError
from core.logging import Action, Log
from ingest.backoff import Backoff
from store.database import Connection, connect

T = TypeVar("T")

_TELL_AGAIN_S = 30.0


class PatientStore:
    """Does things with the database, and waits while it is away.

    Parameters
    ----------
    url
        libpq connection string or URL.
    stop
        Ends the waiting.
    backoff
        How long to wait between two attempts.
    log
        Where loss and return are told.
    """

    def __init__(self, url: str, stop: threading.Event, backoff: Backoff, log: Log) -> None:
        self._url = url
        self._stop = stop
        self._backoff = backoff
        self._log = log
        self._connection: Connection | None = None
        self._lost_at_s: float | None = None
        self._told_at_s = 0.0

    def call(self, action: Callable[[Connection], T]) -> T:
        """Do `action`, again and again until the database answers.

        Raises
        ------
        StoreUnavailableError
            If the database is away and the service is to stop.
        StoreError
            As `action` does.
        """
        while True:
            try:
                result = action(self._opened())
            except StoreUnavailableError as exc:
                self.close()
                self._tell_lost(exc)
                if self._stop.wait(self._backoff.next_s()):
                    raise
            else:
                self._tell_found()
                return result

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _opened(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self._url, "ingest")
        return self._connection

    def _tell_lost(self, exc: StoreUnavailableError) -> None:
        now_s = time.monotonic()
        if self._lost_at_s is None:
            self._lost_at_s = now_s
        elif now_s - self._told_at_s < _TELL_AGAIN_S:
            return
        self._told_at_s = now_s
        self._log.warning(
            "the database is away: messages wait at the broker",
            Action.STORE_LOST,
            reason=str(exc),
            away_s=round(now_s - self._lost_at_s, 1),
        )

    def _tell_found(self) -> None:
        self._backoff.reset()
        if self._lost_at_s is not None:
            away_s = time.monotonic() - self._lost_at_s
            self._lost_at_s = None
            self._log.info("the database is back", Action.BATCH_COMMITTED, away_s=round(away_s, 1))
