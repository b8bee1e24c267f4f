"""Publishing at QoS 0, in bulk: paho opens the connection, and many packets at a time go out of our own buffer."""

import queue
import select
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from core.errors import BrokerUnavailableError
from simulators.publish import RECEIVED_AT_PROPERTY, UnpublishableError, check_topic, rfc3339

_CHUNK_BYTES = 65_536
_WAITING_CHUNKS = 4
_KEEP_ALIVE_S = 60
_LOOK_S = 0.2
_RECEIVE_BYTES = 4_096

# MQTT 5.0, 2.1: types of packets, with their flags.
_PUBLISH = 0x30
_RETAIN = 0x01
_PINGREQ = b"\xc0\x00"
_DISCONNECT, _PINGRESP = 0xE0, 0xD0
_USER_PROPERTY = b"\x26"
_LONGEST_TEXT_BYTES = 65_535
_WOULD_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def _text(value: str) -> bytes:
    raw = value.encode()
    if len(raw) > _LONGEST_TEXT_BYTES:
        raise UnpublishableError("a user property cannot be sent: it is too long")
    return len(raw).to_bytes(2, "big") + raw


_STATED = _USER_PROPERTY + _text(RECEIVED_AT_PROPERTY)


def _length(value: int) -> bytes:
    """Return MQTT's variable byte integer (1.5.5)."""
    if value < 128:  # noqa: PLR2004 - seven bits to a byte
        return value.to_bytes(1, "big")
    low, rest = value & 0x7F | 0x80, value >> 7
    return low.to_bytes(1, "big") + _length(rest)


def publish_packet(
    topic: str,
    payload: bytes,
    received_at: datetime | None = None,
    retain: bool = False,
    user_properties: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Return a PUBLISH packet of MQTT 5 at QoS 0; its arguments are those of `Qos0Publisher.publish`."""
    properties = b"" if received_at is None else _STATED + _text(rfc3339(received_at))
    if user_properties:
        others = [_USER_PROPERTY + _text(name) + _text(value) for name, value in user_properties]
        properties = b"".join(others) + properties
    name = topic.encode()
    spread = _length(len(properties))
    rest = 2 + len(name) + len(spread) + len(properties) + len(payload)
    first = _PUBLISH | _RETAIN if retain else _PUBLISH
    head = first.to_bytes(1, "big") + _length(rest) + len(name).to_bytes(2, "big")
    return b"".join((head, name, spread, properties, payload))


class Qos0Publisher:
    """A connection that publishes at QoS 0; a context manager, to be entered once.

    Handing each message to paho takes longer than all the rest of a replay does, so paho only opens the connection and
    ends it. What is published gathers until it fills a chunk, or until `flush` or `wait_all`. A connection that ends
    is an error, since nobody could say what was lost with it.

    Parameters
    ----------
    host, port, username, password, tls, client_id
        As for `simulators.publish.Publisher`.
    patience_s
        Seconds without any progress after which the broker counts as away.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: bool = False,
        client_id: str = "",
        patience_s: float = 30.0,
    ) -> None:
        self._address = (host, port)
        self._patience_s = patience_s
        self._buffer = bytearray()
        self._chunks: queue.Queue[tuple[bytes, threading.Event | None] | None] = queue.Queue(_WAITING_CHUNKS)
        self._closing = threading.Event()
        self._failure = ""
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        if username is not None:
            self._client.username_pw_set(username, password)
        if tls:
            self._client.tls_set()
        self._client.on_connect = self._on_connect
        self._thread = threading.Thread(target=self._run, name="qos0-publisher", daemon=True)

    def __enter__(self) -> Self:
        """Connect.

        Raises
        ------
        BrokerUnavailableError
            If nobody listens, or the broker refuses or does not answer.
        """
        host, port = self._address
        try:
            self._client.connect(host, port, _KEEP_ALIVE_S)
        except OSError as exc:
            raise BrokerUnavailableError(f"no MQTT broker at {host}:{port}: {exc}") from exc
        deadline_s = time.monotonic() + self._patience_s
        while not self._client.is_connected():
            if self._client.loop(_LOOK_S) != mqtt.MQTT_ERR_SUCCESS:
                self._failure = self._failure or "the MQTT broker ended the connection"
            elif time.monotonic() > deadline_s:
                self._failure = f"the MQTT broker did not answer the connection for {self._patience_s:g} s"
            if self._failure:
                self._drop()
                raise BrokerUnavailableError(self._failure)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect; what has not been sent is not waited for: `wait_all` does that."""
        self._closing.set()
        with suppress(queue.Full):
            self._chunks.put_nowait(None)
        self._thread.join()
        self._drop()

    def publish(
        self,
        topic: str,
        payload: bytes,
        received_at: datetime | None = None,
        *,
        retain: bool = False,
        user_properties: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Hand a message over to be published; waits while enough others are on their way.

        Parameters
        ----------
        received_at
            Arrival to state in the user property `cityvigil-received-at`; None states none.
        retain
            Have the broker keep it for whoever subscribes later.
        user_properties
            Names and values of user properties to send along.

        Raises
        ------
        BrokerUnavailableError
            If the connection has ended, or the broker takes nothing for too long.
        UnpublishableError
            If the topic is not one to publish on.
        """
        check_topic(topic)
        self._buffer += publish_packet(topic, payload, received_at, retain, user_properties)
        if len(self._buffer) >= _CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Let everything go on its way.

        Raises
        ------
        BrokerUnavailableError
            As `publish`.
        """
        if self._buffer:
            chunk, self._buffer = bytes(self._buffer), bytearray()
            self._hand_over(chunk, None)

    def wait_all(self) -> None:
        """Wait until the broker has read everything: it answers a ping only after what came before it.

        Raises
        ------
        BrokerUnavailableError
            If no answer comes for too long.
        """
        self.flush()
        answered = threading.Event()
        self._hand_over(_PINGREQ, answered)
        while not answered.wait(_LOOK_S):
            self._check()

    def _hand_over(self, chunk: bytes, answered: threading.Event | None) -> None:
        while True:
            self._check()
            try:
                self._chunks.put((chunk, answered), timeout=_LOOK_S)
            except queue.Full:
                continue
            return

    def _check(self) -> None:
        if self._failure:
            raise BrokerUnavailableError(self._failure)

    def _run(self) -> None:
        try:
            wire = _Wire(self._client.socket(), self._patience_s, self._closing)
            while (waiting := self._next(wire)) is not None:
                chunk, answered = waiting
                wire.send(chunk)
                if answered is not None:
                    wire.wait_for_answer()
                    answered.set()
        except (BrokerUnavailableError, OSError) as exc:
            self._failure = str(exc) or type(exc).__name__

    def _next(self, wire: "_Wire") -> tuple[bytes, threading.Event | None] | None:
        while not self._closing.is_set():
            try:
                return self._chunks.get(timeout=_LOOK_S)
            except queue.Empty:
                wire.keep_alive()
        return None

    def _drop(self) -> None:
        self._client.disconnect()
        if (sock := self._client.socket()) is not None:
            sock.close()

    def _on_connect(
        self, _client: mqtt.Client, _data: object, _flags: mqtt.ConnectFlags, reason: ReasonCode, _props: object
    ) -> None:
        if reason.is_failure:
            self._failure = f"the MQTT broker refused the connection: {reason}"


class _Wire:
    """The socket of an open connection, on which nothing but answers to pings and a farewell comes back."""

    def __init__(self, sock: Any, patience_s: float, closing: threading.Event) -> None:
        self._sock = sock
        self._patience_s = patience_s
        self._closing = closing
        self._incoming = bytearray()
        self._pings = self._answers = 0
        self._sent_at_s = time.monotonic()

    def send(self, chunk: bytes) -> None:
        """Send all of a chunk."""
        view = memoryview(chunk)
        moved_at_s = time.monotonic()
        while view:
            try:
                view = view[self._sock.send(view) :]
                moved_at_s = time.monotonic()
            except _WOULD_WAIT:
                self._wait(moved_at_s, "took nothing", [self._sock])
        self._pings += chunk == _PINGREQ
        self._sent_at_s = time.monotonic()

    def wait_for_answer(self) -> None:
        """Wait until every ping has been answered."""
        began_at_s = time.monotonic()
        while self._answers < self._pings:
            self._wait(began_at_s, "did not answer", [])

    def keep_alive(self) -> None:
        """Read what has come, and send a sign of life when nothing has been sent for long."""
        self._read()
        if time.monotonic() - self._sent_at_s > _KEEP_ALIVE_S / 2:
            if self._answers < self._pings:
                raise BrokerUnavailableError(f"the MQTT broker did not answer for {_KEEP_ALIVE_S / 2:g} s")
            self.send(_PINGREQ)

    def _wait(self, since_s: float, complaint: str, writers: list[Any]) -> None:
        readable, _, _ = select.select([self._sock], writers, [], _LOOK_S)
        if readable:
            self._read()
        if self._closing.is_set() or time.monotonic() - since_s > self._patience_s:
            raise BrokerUnavailableError(f"the MQTT broker {complaint} for {self._patience_s:g} s")

    def _read(self) -> None:
        with suppress(*_WOULD_WAIT):
            while data := self._sock.recv(_RECEIVE_BYTES):
                self._incoming += data
                self._understand()
            raise BrokerUnavailableError("the MQTT broker ended the connection")

    def _understand(self) -> None:
        # No packet that a broker may send here is so long that its length takes more than one byte.
        while len(self._incoming) > 1 and len(self._incoming) >= (size := 2 + self._incoming[1]):
            packet, self._incoming = self._incoming[:size], self._incoming[size:]
            self._answers += packet[0] == _PINGRESP
            if packet[0] == _DISCONNECT:
                raise BrokerUnavailableError(f"the MQTT broker ended the connection: {_reason(bytes(packet[2:3]))}")


def _reason(code: bytes) -> str:
    """Return in words why a broker says farewell."""
    try:
        return str(ReasonCode(PacketTypes.DISCONNECT, identifier=code[0] if code else 0))
    except KeyError:
        return f"reason code 0x{code.hex()}, which MQTT does not define"
