"""Publishing to an MQTT broker: QoS 1 with a bounded window, and at the pace of a clock."""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from core.clock import Clock
from core.errors import BrokerUnavailableError, PermanentError
from simulators.live import TimedMessage

RECEIVED_AT_PROPERTY = "cityvigil-received-at"
"""Name of the MQTT 5 user property by which a replay states when the message was first received."""

_LONGEST_TOPIC_BYTES = 65_535
_REFUSED = 0x80  # MQTT 5.0, 2.4: a reason code from here on is a failure
_SHORTEST_WAIT_S = 0.02  # lets messages gather instead of waking up for each


class UnpublishableError(PermanentError):
    """A topic cannot be published on: it is empty, too long, or holds a wildcard or U+0000."""


class Publishing(Protocol):
    """Whatever takes messages to a broker."""

    def publish(
        self,
        topic: str,
        payload: bytes,
        received_at: datetime | None = None,
        *,
        retain: bool = False,
        user_properties: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Hand a message over; it may wait for others until `flush` or `wait_all`."""
        ...

    def flush(self) -> None:
        """Let everything go on its way."""
        ...

    def wait_all(self) -> None:
        """Wait until the broker has everything."""
        ...


class Publisher:
    """A connection that publishes at QoS 1; a context manager, to be entered once.

    Parameters
    ----------
    host, port
        Where the broker listens.
    username, password
        None if the broker wants none.
    tls
        Encrypt the connection with the system's certificates.
    client_id
        Empty lets the broker choose one.
    window
        Messages in flight, that is without acknowledgement, at most; `publish` waits for room.
    patience_s
        Seconds without a needed answer of the broker after which it counts as away.
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
        window: int = 500,
        patience_s: float = 30.0,
    ) -> None:
        self._address = (host, port)
        self._window = window
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._in_flight = 0
        self._connected = False
        self._refusal: str | None = None
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        self._client.max_inflight_messages_set(window)
        self._client.reconnect_delay_set(1, 5)
        if username is not None:
            self._client.username_pw_set(username, password)
        if tls:
            self._client.tls_set()
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish

    def __enter__(self) -> Self:
        """Connect.

        Raises
        ------
        BrokerUnavailableError
            If nobody listens, or the broker refuses or does not answer.
        """
        host, port = self._address
        try:
            self._client.connect(host, port)
        except OSError as exc:
            raise BrokerUnavailableError(f"no MQTT broker at {host}:{port}: {exc}") from exc
        self._client.loop_start()
        try:
            self._wait_for(lambda: self._connected, "did not answer the connection")
        except BrokerUnavailableError:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect; what is still in flight is not waited for: `wait_all` does that."""
        self._close()

    def publish(
        self,
        topic: str,
        payload: bytes,
        received_at: datetime | None = None,
        *,
        retain: bool = False,
        user_properties: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Hand a message over to be published; waits while the window is full.

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
            If the broker acknowledges nothing for too long, or refused an earlier message.
        UnpublishableError
            If the topic is not one to publish on.
        """
        check_topic(topic)
        self._wait_for(lambda: self._in_flight < self._window, "acknowledged nothing")
        with self._changed:
            self._in_flight += 1
        sent = self._client.publish(topic, payload, 1, retain, _properties(received_at, user_properties))
        # Without a connection paho keeps the message and sends it after it has reconnected.
        if sent.rc not in {MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN}:
            with self._changed:
                self._in_flight -= 1
            raise BrokerUnavailableError(f"a message could not be published: {mqtt.error_string(sent.rc)}")

    def flush(self) -> None:
        """Do nothing: each message is on its way already."""

    def wait_all(self) -> None:
        """Wait until every message has been acknowledged.

        Raises
        ------
        BrokerUnavailableError
            If no acknowledgement comes for too long, or a message was refused.
        """
        self._wait_for(lambda: self._in_flight == 0, "left messages without acknowledgement")

    def _close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _wait_for(self, condition: Callable[[], bool], complaint: str) -> None:
        with self._changed:
            while not condition() and self._refusal is None:
                before = self._in_flight
                answered = self._changed.wait(self._patience_s)
                if not answered and self._in_flight == before:
                    raise BrokerUnavailableError(f"the MQTT broker {complaint} for {self._patience_s:g} s")
            if self._refusal is not None:
                raise BrokerUnavailableError(self._refusal)

    # The callbacks below run in paho's thread.

    def _on_connect(
        self, _client: mqtt.Client, _data: object, _flags: mqtt.ConnectFlags, reason: ReasonCode, _props: object
    ) -> None:
        with self._changed:
            self._connected = not reason.is_failure
            self._refusal = f"the MQTT broker refused the connection: {reason}" if reason.is_failure else None
            self._changed.notify_all()

    def _on_disconnect(
        self, _client: mqtt.Client, _data: object, _flags: object, _reason: ReasonCode, _props: object
    ) -> None:
        with self._changed:
            self._connected = False

    def _on_publish(
        self, _client: mqtt.Client, _data: object, _number: int, reason: ReasonCode, _props: object
    ) -> None:
        with self._changed:
            self._in_flight -= 1
            if reason.value >= _REFUSED:
                self._refusal = f"the MQTT broker refused a message: {reason}"
            self._changed.notify_all()


def _properties(received_at: datetime | None, others: Sequence[tuple[str, str]]) -> Properties | None:
    if received_at is None and not others:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it without annotations
    stated = [] if received_at is None else [(RECEIVED_AT_PROPERTY, rfc3339(received_at))]
    properties.UserProperty = [*others, *stated]
    return properties


def check_topic(topic: str) -> None:
    """Refuse a topic that MQTT does not let anybody publish on.

    Raises
    ------
    UnpublishableError
        Without the topic, which may hold a key.
    """
    # Counting bytes only where characters leave room for doubt: this runs for each message.
    too_long = len(topic) > _LONGEST_TOPIC_BYTES // 4 and len(topic.encode()) > _LONGEST_TOPIC_BYTES
    if not topic or too_long or "+" in topic or "#" in topic or "\0" in topic:
        raise UnpublishableError


def rfc3339(time: datetime) -> str:
    """Return a time as RFC 3339 in UTC with microseconds and Z."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def play(
    messages: Iterable[TimedMessage],
    publish: Callable[[str, bytes], object],
    clock: Clock,
    stop: threading.Event,
) -> int:
    """Publish each message when the clock has reached its due time.

    What is due already is published at once, so a late start catches up. Waits on `stop`, at least 20 ms at a time.

    Parameters
    ----------
    messages
        By due time; may never end.
    publish
        Called with topic and payload.
    clock
        Decides what time it is, and how long a wait takes.
    stop
        Set it to end.

    Returns
    -------
    How many messages were published.
    """
    published = 0
    now = clock.now()
    for message in messages:
        while message.due > now and not stop.is_set():
            now = clock.now()
            if message.due > now:
                stop.wait(max(clock.to_wall_s((message.due - now).total_seconds()), _SHORTEST_WAIT_S))
        if stop.is_set():
            break
        publish(message.topic, message.payload)
        published += 1
    return published
