"""The session at the broker: one connection after the other, for as long as the service runs."""

import threading

from core.clock import Clock
from core.errors import BrokerUnavailableError
from core.logging import Action, Log
from core.settings import MqttSettings
from ingest.backoff import Backoff
from ingest.connection import Connection, Ending
from ingest.inbox import Inbox

_STEADY_S = 30.0
"""A connection that lasted this long counts as a success; two clients that take each other's session get none."""
_CLOSE_S = 5.0


class Session:
    """Keeps a connection to the broker on a thread of its own.

    Parameters
    ----------
    settings
        Broker and session.
    trust_recorded_arrival
        Whether a replay's user property tells the arrival time.
    inbox
        Where the messages go.
    clock
        Tells the arrival time.
    log
        Where the connection's life is told.
    backoff
        How long to wait between two connections.
    """

    def __init__(
        self,
        settings: MqttSettings,
        trust_recorded_arrival: bool,
        inbox: Inbox,
        clock: Clock,
        log: Log,
        backoff: Backoff,
    ) -> None:
        self._settings = settings
        self._trust_recorded_arrival = trust_recorded_arrival
        self._inbox = inbox
        self._clock = clock
        self._log = log
        self._backoff = backoff
        self._closing = threading.Event()
        self._stop_reading = threading.Event()
        self._lock = threading.Lock()
        self._current: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="mqtt-session", daemon=True)

    def start(self) -> None:
        """Connect, and connect again whenever the connection ends."""
        self._thread.start()

    def check(self) -> None:
        """Say so if the session's thread has ended without being asked.

        Raises
        ------
        BrokerUnavailableError
            If it has: nothing would arrive any more.
        """
        if not self._thread.is_alive() and not self._closing.is_set():
            raise BrokerUnavailableError("the thread that keeps the session at the broker has ended")

    def stop_reading(self) -> None:
        """Take no more messages; acknowledgements still go out."""
        with self._lock:
            self._stop_reading.set()
            if self._current is not None:
                self._current.stop_reading()

    def close(self) -> None:
        """Send the acknowledgements that are due, part from the broker, and end the thread.

        The broker keeps the session, and what comes meanwhile, for the session's expiry time.
        """
        with self._lock:
            self._closing.set()
            if self._current is not None:
                self._current.close()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._closing.is_set():
                    return
                self._current = self._new_connection()
            ending = self._serve(self._current)
            if self._closing.is_set():
                return
            if ending.lasted_s >= _STEADY_S:
                self._backoff.reset()
            delay_s = self._backoff.next_s()
            self._tell(ending, delay_s)
            self._closing.wait(delay_s)

    def _new_connection(self) -> Connection:
        connection = Connection(self._settings, self._trust_recorded_arrival, self._inbox, self._clock, self._log)
        if self._stop_reading.is_set():
            connection.stop_reading()
        return connection

    def _serve(self, connection: Connection) -> Ending:
        try:
            return connection.run()
        except Exception as exc:  # noqa: BLE001 - a packet that trips the client library must not end the session
            return Ending(f"{type(exc).__name__}: {exc}", 0.0, taken_over=False)

    def _tell(self, ending: Ending, delay_s: float) -> None:
        fields = {"reason": ending.reason, "retry_after_s": round(delay_s, 1), "client_id": self._settings.client_id}
        if ending.taken_over:
            self._log.error(
                "another client with the same id took our session: give each process a client id of its own",
                Action.BROKER_LOST,
                **fields,
            )
        else:
            self._log.warning("lost the broker", Action.BROKER_LOST, **fields)
