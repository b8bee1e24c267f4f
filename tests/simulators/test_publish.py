import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest

from core.clock import ScaledClock
from core.errors import BrokerUnavailableError
from simulators.live import TimedMessage
from simulators.publish import RECEIVED_AT_PROPERTY, Publisher, play, rfc3339
from tests.simulators.listening import listening
from tests.wait import wait_until

_START = datetime(2026, 11, 9, tzinfo=UTC)


def test_messages_arrive_in_order_with_their_recorded_arrival(broker: tuple[str, int]) -> None:
    topic = f"test/{uuid4().hex}"
    arrival = datetime(2024, 5, 23, 9, 48, 33, 366814, tzinfo=timezone(timedelta(hours=3)))
    with listening(broker, topic) as heard:
        with Publisher(*broker, client_id=f"p-{uuid4().hex}") as publisher:
            publisher.publish(topic, b"replayed", arrival)
            publisher.publish(topic, b"live")
            publisher.wait_all()
        wait_until(lambda: len(heard) == 2, 10, "two messages")
    assert [message.payload for message in heard] == [b"replayed", b"live"]
    assert all(message.qos == 1 for message in heard)
    stated = [getattr(message.properties, "UserProperty", None) for message in heard]
    assert stated == [[(RECEIVED_AT_PROPERTY, "2024-05-23T06:48:33.366814Z")], None]


def test_a_small_window_carries_many_messages(broker: tuple[str, int]) -> None:
    topic = f"test/{uuid4().hex}"
    with listening(broker, topic) as heard:
        with Publisher(*broker, client_id=f"p-{uuid4().hex}", window=7) as publisher:
            for number in range(500):
                publisher.publish(topic, str(number).encode())
            publisher.wait_all()
        wait_until(lambda: len(heard) == 500, 20, "500 messages")
    assert [int(message.payload) for message in heard] == list(range(500))


def test_a_broker_that_is_not_there_is_reported() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(BrokerUnavailableError, match=f"no MQTT broker at 127.0.0.1:{port}"):
            Publisher("127.0.0.1", port).__enter__()


def test_a_broker_that_says_nothing_is_reported() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        publisher = Publisher("127.0.0.1", silent.getsockname()[1], patience_s=0.2)
        with pytest.raises(BrokerUnavailableError, match="did not answer"):
            publisher.__enter__()


def test_times_are_stated_in_utc_with_microseconds() -> None:
    assert rfc3339(_START) == "2026-11-09T00:00:00.000000Z"


class _Steps:
    """A clock that moves only when somebody waits on it; so it is the event to wait on, too."""

    def __init__(self, speed: float) -> None:
        self.time = _START
        self.waits_s: list[float] = []
        self._speed = speed

    def now(self) -> datetime:
        return self.time

    def to_wall_s(self, span_s: float) -> float:
        return span_s / self._speed


class _Stop(threading.Event):
    def __init__(self, clock: _Steps, speed: float) -> None:
        super().__init__()
        self._clock = clock
        self._speed = speed

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self._clock.waits_s.append(timeout)
        self._clock.time += timedelta(seconds=timeout * self._speed)
        return self.is_set()


def _message(after_s: float) -> TimedMessage:
    return TimedMessage(_START + timedelta(seconds=after_s), f"t/{after_s:g}", b"")


def test_messages_are_published_when_they_are_due_not_before() -> None:
    clock = _Steps(10.0)
    published: list[tuple[str, float]] = []

    def publish(topic: str, _payload: bytes) -> None:
        published.append((topic, (clock.time - _START).total_seconds()))

    due_s = (-5.0, 0.0, 20.0, 20.01, 50.0)
    assert play(map(_message, due_s), publish, clock, _Stop(clock, 10.0)) == 5
    assert [topic for topic, _ in published] == [f"t/{second:g}" for second in due_s]
    late_s = [at - due for (_, at), due in zip(published, due_s, strict=True)]
    assert min(late_s) >= 0.0
    assert max(late_s[1:]) <= 0.2001
    assert len(clock.waits_s) == 3
    assert min(clock.waits_s) >= 0.02


def test_playing_ends_when_told_to() -> None:
    clock = _Steps(1.0)
    stop = _Stop(clock, 1.0)

    def publish(topic: str, _payload: bytes) -> None:
        if topic == "t/2":
            stop.set()

    assert play(map(_message, (0.0, 1.0, 2.0, 3.0)), publish, clock, stop) == 3
    assert clock.time < _START + timedelta(seconds=3)


def test_playing_follows_a_scaled_clock() -> None:
    wall_s = [0.0]
    clock = ScaledClock(_START, datetime(1970, 1, 1, tzinfo=UTC), 60.0, wall=lambda: wall_s[0])

    class _Waits(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            wall_s[0] += timeout or 0.0
            return False

    count = play(map(_message, (0.0, 60.0, 600.0)), lambda *_: None, clock, _Waits())
    assert count == 3
    assert wall_s[0] == pytest.approx(10.0, abs=0.05)


@contextmanager
def _broker_that_answers(*answers: bytes) -> Iterator[int]:
    """Yield the port of a listener that sends one answer to each packet of the first connection, then is silent."""
    done = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            for answer in answers:
                connection.recv(65_536)
                connection.sendall(answer)
            done.wait(20)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


# MQTT 5.0, 3.2: fixed header, remaining length, session present, reason code, no properties.
_CONNACK = bytes([0x20, 3, 0, 0x00, 0])
_NOT_AUTHORISED = bytes([0x20, 3, 0, 0x87, 0])
# MQTT 5.0, 3.4: packet identifier 1, quota exceeded.
_QUOTA_EXCEEDED = bytes([0x40, 3, 0, 1, 0x97])


def test_a_broker_that_refuses_the_connection_is_reported() -> None:
    with _broker_that_answers(_NOT_AUTHORISED) as port:
        publisher = Publisher("127.0.0.1", port, username="crew", password="wrong")
        with pytest.raises(BrokerUnavailableError, match="refused the connection: Not authorized"):
            publisher.__enter__()


def test_a_broker_that_acknowledges_nothing_is_reported() -> None:
    with (
        _broker_that_answers(_CONNACK) as port,
        Publisher("127.0.0.1", port, client_id="p", window=2, patience_s=0.3) as publisher,
    ):
        for _ in range(2):
            publisher.publish("t", b"")
        with pytest.raises(BrokerUnavailableError, match=r"acknowledged nothing for 0\.3 s"):
            publisher.publish("t", b"")
        with pytest.raises(BrokerUnavailableError, match="left messages without acknowledgement"):
            publisher.wait_all()


def test_a_message_that_the_broker_refuses_is_reported() -> None:
    with (
        _broker_that_answers(_CONNACK, _QUOTA_EXCEEDED) as port,
        Publisher("127.0.0.1", port, client_id="p") as publisher,
    ):
        publisher.publish("t", b"")
        with pytest.raises(BrokerUnavailableError, match="refused a message: Quota exceeded"):
            publisher.wait_all()
