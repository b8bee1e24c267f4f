"""One network connection to the broker, from connecting to its end."""

import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from core.clock import Clock
from core.errors import SettingsError
from core.logging import Action, Log
from core.message import Message
from core.settings import MqttSettings
from ingest.arrival import recorded_arrival
from ingest.inbox import Delivery, Inbox

_ANSWER_S = 10.0
"""How long the broker may take until the subscription stands."""
_TURN_S = 1.0
_FULL_POLL_S = 0.02
"""How often a full inbox is looked at again while the socket waits."""
_READS_PER_TURN = 256
_SESSION_TAKEN_OVER = 0x8E
_PINGREQ = b"\xc0\x00"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection ended.

    Attributes
    ----------
    reason
        For people.
    lasted_s
        Seconds from the standing subscription to the end; 0 if it never stood.
    taken_over
        True when the broker says that another client took our session.
    """

    reason: str
    lasted_s: float
    taken_over: bool


def check_filters(settings: MqttSettings) -> None:
    """Refuse topic filters that MQTT does not allow, before anything is connected.

    Raises
    ------
    SettingsError
        Naming the filter.
    """
    if not settings.topics:
        raise SettingsError("CITYVIGIL_MQTT__TOPICS names no topic filter")
    dry = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    for topic in settings.topics:
        try:
            dry.subscribe(topic, options=SubscribeOptions(qos=1))
        except ValueError as exc:
            raise SettingsError(f"CITYVIGIL_MQTT__TOPICS: '{topic}' is not a topic filter") from exc


class Connection:
    """A connection with a client of its own.

    Packet identifiers belong to one connection: after a reconnect the broker gives the same numbers to other
    messages. An acknowledgement goes to the connection that brought the message, and dies with it.

    All of paho runs on the thread that calls `run`; the other methods may be called from any thread.

    Parameters
    ----------
    settings
        Broker and session.
    trust_recorded_arrival
        Whether a replay's user property tells the arrival time.
    inbox
        Where the messages go; while it is full, the socket is not read.
    clock
        Tells the arrival time.
    log
        Where the start is told.
    """

    def __init__(
        self, settings: MqttSettings, trust_recorded_arrival: bool, inbox: Inbox, clock: Clock, log: Log
    ) -> None:
        self._settings = settings
        self._trust_recorded_arrival = trust_recorded_arrival
        self._inbox = inbox
        self._clock = clock
        self._log = log
        self._client = self._make_client()
        self._safe: deque[int] = deque()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._reading = threading.Event()
        self._reading.set()
        self._closing = threading.Event()
        self._packets = 0
        self._session_present = False
        self._ready_at_s: float | None = None
        self._reason = ""
        self._taken_over = False
        self._pinged_at_s = 0.0

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Tell the broker, in this order, that these messages are safe; nothing happens after the end."""
        self._safe.extend(packet_ids)
        self._wake()

    def stop_reading(self) -> None:
        """Take no more messages; acknowledgements still go out."""
        self._reading.clear()
        self._wake()

    def close(self) -> None:
        """End the connection once the acknowledgements asked for so far are out."""
        self._closing.set()
        self._wake()

    def run(self) -> Ending:
        """Connect, subscribe, and serve until the end, whatever ends it."""
        try:
            self._connect()
            self._serve()
        except OSError as exc:
            self._reason = self._reason or f"cannot connect: {exc}"
        finally:
            self._drop()
        lasted_s = 0.0 if self._ready_at_s is None else time.monotonic() - self._ready_at_s
        return Ending(self._reason or "the connection was lost", lasted_s, self._taken_over)

    def _wake(self) -> None:
        try:
            self._wake_writer.send(b"\0")
        except OSError:
            # Full: a wake-up is on its way already. Closed: nobody is left to be woken.
            return

    def _make_client(self) -> paho.Client:
        settings = self._settings
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
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
        # With this hook in place paho leaves all writing to `loop_write`: acknowledgements leave in one go.
        client.on_socket_register_write = _leave_to_the_loop
        return client

    def _connect(self) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho annotates it no further
        properties.SessionExpiryInterval = self._settings.session_expiry_s
        properties.ReceiveMaximum = self._settings.receive_maximum
        self._client.connect(
            self._settings.host,
            self._settings.port,
            keepalive=self._settings.keep_alive_s,
            clean_start=False,
            properties=properties,
        )

    def _drop(self) -> None:
        # Not left to paho, which closes a socket that it has not seen fail only when the client is collected.
        if (sock := self._client.socket()) is not None:
            sock.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _serve(self) -> None:
        deadline_s = time.monotonic() + _ANSWER_S
        while (sock := self._client.socket()) is not None:
            if self._ready_at_s is None and time.monotonic() > deadline_s:
                self._reason = f"the broker did not answer within {_ANSWER_S:g} s"
                return
            self._release()
            reading = self._may_read()
            self._wait(sock, reading)
            if reading and not self._read():
                return
            if self._client.want_write() and self._client.loop_write() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
            self._keep_alive(sock, reading)

    def _may_read(self) -> bool:
        # Before the subscription stands the broker's answers have to be read, room or not.
        return self._ready_at_s is None or (self._reading.is_set() and self._inbox.has_room())

    def _wait(self, sock: Any, reading: bool) -> None:
        encrypted_rest = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        timeout_s = 0.0 if reading and encrypted_rest else _TURN_S if reading else _FULL_POLL_S
        readers = [self._wake_reader, sock] if reading else [self._wake_reader]
        readable, _, _ = select.select(readers, [sock] if self._client.want_write() else [], [], timeout_s)
        if self._wake_reader in readable:
            self._wake_reader.recv(4096)

    def _read(self) -> bool:
        """Read what is there, as far as there is room; tell whether the connection still stands."""
        for _ in range(_READS_PER_TURN):
            before = self._packets
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return False
            if self._packets == before or not self._may_read():
                break
        return True

    def _release(self) -> None:
        """Hand paho the acknowledgements that are due, and the farewell after the last of them."""
        closing = self._closing.is_set()
        while self._safe:
            self._client.ack(self._safe.popleft(), 1)
        if closing and not self._client.want_write():
            self._reason = "closed"
            self._client.disconnect()
            self._client.loop_write()

    def _keep_alive(self, sock: Any, reading: bool) -> None:
        if reading:
            self._client.loop_misc()
            return
        # paho would take the answers that we leave unread for a dead broker; the broker must still hear from us.
        now_s = time.monotonic()
        if now_s - self._pinged_at_s > self._settings.keep_alive_s / 2 and not self._client.want_write():
            self._pinged_at_s = now_s
            try:
                sock.send(_PINGREQ)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return

    def _on_connect(
        self,
        client: paho.Client,
        _user: Any,
        flags: paho.ConnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._packets += 1
        if code.is_failure:
            self._reason = f"the broker refused the session: {code}"
            return
        self._session_present = flags.session_present
        # Retained messages once, when the subscription is new: they tell nothing new after a reconnect.
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        client.subscribe([(topic, options) for topic in self._settings.topics])

    def _on_subscribe(
        self, client: paho.Client, _user: Any, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._packets += 1
        refused = [f"{t} ({c})" for t, c in zip(self._settings.topics, codes, strict=False) if c.is_failure]
        if refused:
            self._reason = f"the broker refused the subscription to {', '.join(refused)}"
            client.disconnect()
            return
        self._ready_at_s = time.monotonic()
        self._log.info(
            "connected to the broker",
            Action.BROKER_CONNECTED,
            host=self._settings.host,
            port=self._settings.port,
            topics=list(self._settings.topics),
            session_present=self._session_present,
        )

    def _on_disconnect(
        self,
        _client: paho.Client,
        _user: Any,
        flags: paho.DisconnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._packets += 1
        self._taken_over = flags.is_disconnect_packet_from_server and code.value == _SESSION_TAKEN_OVER
        who = "the broker ended the connection" if flags.is_disconnect_packet_from_server else "the connection was lost"
        self._reason = self._reason or f"{who}: {code}"

    def _on_message(self, _client: paho.Client, _user: Any, received: paho.MQTTMessage) -> None:
        self._packets += 1
        message = Message(
            topic=_topic_of(received),
            payload=bytes(received.payload),
            received_at=self._arrival_of(received),
            retained=received.retain,
            duplicate=received.dup,
        )
        by_id = received.qos > 0
        self._inbox.put(Delivery(message, self if by_id else None, received.mid if by_id else 0))

    def _arrival_of(self, received: paho.MQTTMessage) -> datetime:
        recorded = None
        if self._trust_recorded_arrival:
            recorded = recorded_arrival(getattr(received.properties, "UserProperty", ()))
        return recorded or self._clock.now()


def _topic_of(received: paho.MQTTMessage) -> str:
    try:
        return received.topic
    except UnicodeDecodeError as exc:
        # MQTT forbids such a topic, but a broker may let it pass; the message must still be kept.
        return exc.object.decode("utf-8", "backslashreplace")


def _leave_to_the_loop(_client: paho.Client, _user: Any, _sock: Any) -> None:
    return
