"""A subscription whose messages are recorded: one connection to the broker, for as long as it holds."""

import select
import ssl
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from core.clock import Clock
from core.settings import MqttSettings
from simulators.publish import RECEIVED_AT_PROPERTY
from simulators.recording import RecordedMessage, parse_time

_ANSWER_S = 10.0
_TURN_S = 0.5
"""How long a request to stop may go unnoticed."""
_READS_PER_TURN = 256
_BATCH_BYTES = 1_048_576


class Wanted(NamedTuple):
    """What is to be recorded.

    Attributes
    ----------
    filters
        MQTT topic filters; they may hold keys, so they are in no log.
    qos
        0 or 1.
    trust_recorded_arrival
        Whether the arrival that a replay states counts as the arrival.
    retained
        Whether the broker is to send what it keeps in its memory.
    """

    filters: tuple[str, ...]
    qos: int = 0
    trust_recorded_arrival: bool = True
    retained: bool = True


class Ending(NamedTuple):
    """Why a connection ended, for people, and whether its subscription had stood."""

    reason: str
    subscribed: bool


class Listener:
    """One connection; all of paho runs on the thread that calls `run`.

    Parameters
    ----------
    settings
        The broker; the client id is not the settings', which names the session of ingest.
    wanted
        What to subscribe to.
    take
        Called with the messages of each turn, in their order; while it waits, the socket is not read.
    clock
        Tells the arrival time.
    ready
        Called once the subscription stands.
    """

    def __init__(
        self,
        settings: MqttSettings,
        wanted: Wanted,
        take: Callable[[list[RecordedMessage]], None],
        clock: Clock,
        ready: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._wanted = wanted
        self._take = take
        self._clock = clock
        self._ready = ready
        self._client = self._make_client()
        self._batch: list[RecordedMessage] = []
        self._batch_bytes = 0
        self._packets = 0
        self._subscribed = False
        self._reason = ""
        self.unwritable = 0

    def run(self, stopped: Callable[[], bool]) -> Ending:
        """Connect, subscribe, and read until told to stop or until the connection ends."""
        try:
            self._client.connect(self._settings.host, self._settings.port, self._settings.keep_alive_s)
            self._serve(stopped)
        except OSError as exc:
            self._reason = self._reason or f"cannot connect: {exc}"
        finally:
            self._drop()
        return Ending(self._reason or "the connection was lost", self._subscribed)

    def _make_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"cityvigil-record-{uuid4().hex[:12]}",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        settings = self._settings
        if settings.username is not None:
            client.username_pw_set(
                settings.username, settings.password.get_secret_value() if settings.password else None
            )
        if settings.tls:
            client.tls_set()
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _drop(self) -> None:
        if self._client.is_connected():
            self._client.disconnect()
        # Not left to paho, which closes a socket that it has not seen fail only when the client is collected.
        if (sock := self._client.socket()) is not None:
            sock.close()

    def _serve(self, stopped: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + _ANSWER_S
        while (sock := self._client.socket()) is not None and not stopped():
            if not self._subscribed and time.monotonic() > deadline_s:
                self._reason = f"the broker did not answer within {_ANSWER_S:g} s"
                return
            timeout_s = 0.0 if isinstance(sock, ssl.SSLSocket) and sock.pending() > 0 else _TURN_S
            readable, _, _ = select.select([sock], [sock] if self._client.want_write() else [], [], timeout_s)
            going_on = self._read() if readable or timeout_s == 0.0 else True
            self._hand_over()
            if not going_on:
                return
            self._client.loop_write()
            self._client.loop_misc()

    def _read(self) -> bool:
        """Read what is there; tell whether the connection still stands."""
        for _ in range(_READS_PER_TURN):
            before = self._packets
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return False
            if self._packets == before or self._batch_bytes >= _BATCH_BYTES:
                break
        return True

    def _hand_over(self) -> None:
        if self._batch:
            batch, self._batch, self._batch_bytes = self._batch, [], 0
            self._take(batch)

    def _on_connect(
        self,
        client: paho.Client,
        _user: Any,
        _flags: paho.ConnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._packets += 1
        if code.is_failure:
            self._reason = f"the broker refused the session: {code}"
            return
        kept = (
            SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if self._wanted.retained else SubscribeOptions.RETAIN_DO_NOT_SEND
        )
        options = SubscribeOptions(qos=self._wanted.qos, retainHandling=kept)
        client.subscribe([(one, options) for one in self._wanted.filters])

    def _on_subscribe(
        self, client: paho.Client, _user: Any, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._packets += 1
        refused = [f"{number} ({code})" for number, code in enumerate(codes, start=1) if code.is_failure]
        if refused:
            self._reason = f"the broker refused the subscription to topic {', '.join(refused)}"
            client.disconnect()
            return
        self._subscribed = True
        self._ready()

    def _on_disconnect(
        self,
        _client: paho.Client,
        _user: Any,
        flags: paho.DisconnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._packets += 1
        who = "the broker ended the connection" if flags.is_disconnect_packet_from_server else "the connection was lost"
        self._reason = self._reason or f"{who}: {code}"

    def _on_message(self, _client: paho.Client, _user: Any, received: paho.MQTTMessage) -> None:
        self._packets += 1
        try:
            topic = received.topic
        except UnicodeDecodeError:
            # MQTT forbids such a topic, and no broker would take it from a replay.
            self.unwritable += 1
            return
        payload = bytes(received.payload)
        stated, properties = self._arrival(getattr(received.properties, "UserProperty", ()))
        self._batch_bytes += len(payload) + len(topic)
        self._batch.append(
            RecordedMessage(
                stated or self._clock.now(), topic, payload, received.qos, received.retain, received.dup, properties
            )
        )

    def _arrival(self, properties: Iterable[tuple[str, str]]) -> tuple[datetime | None, tuple[tuple[str, str], ...]]:
        """Return the arrival that a replay states, and the user properties beside it."""
        kept = tuple(properties)
        if not kept or not self._wanted.trust_recorded_arrival:
            return None, kept
        stated = [value for name, value in kept if name == RECEIVED_AT_PROPERTY]
        try:
            arrival = parse_time(stated[-1].encode()) if stated else None
        except ValueError:
            return None, kept
        return arrival, tuple(one for one in kept if one[0] != RECEIVED_AT_PROPERTY)
