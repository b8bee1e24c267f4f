import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from core.errors import BrokerUnavailableError
from simulators import publish_qos0
from simulators.publish import RECEIVED_AT_PROPERTY, Publisher, UnpublishableError, rfc3339
from simulators.publish_qos0 import Qos0Publisher, publish_packet
from tests.ingest.fake_broker import CONNECT, DISCONNECT, PINGREQ, FakeBroker, Peer
from tests.simulators.listening import listening
from tests.wait import wait_until

PUBLISH = 3
AT = datetime(2026, 3, 14, 12, 0, 0, 5, tzinfo=UTC)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)


def unpack(packet: bytes) -> tuple[int, str, list[tuple[str, str]], bytes]:
    """Return first byte, topic, user properties and payload of a PUBLISH at QoS 0, the properties read by paho."""
    length, at, shift = 0, 1, 0
    while True:
        length |= (packet[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if packet[at - 1] < 0x80:
            break
    assert len(packet) == at + length
    (size,) = struct.unpack("!H", packet[at : at + 2])
    topic = packet[at + 2 : at + 2 + size].decode()
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho annotates it no further
    _, used = properties.unpack(packet[at + 2 + size :])  # type: ignore[no-untyped-call]
    return packet[0], topic, getattr(properties, "UserProperty", []), packet[at + 2 + size + used :]


@given(texts, st.binary(max_size=400), st.booleans(), st.none() | st.just(AT), st.lists(st.tuples(texts, texts)))
def test_a_packet_says_what_it_should(
    topic: str, payload: bytes, retain: bool, received_at: datetime | None, others: list[tuple[str, str]]
) -> None:
    packet = publish_packet(topic, payload, received_at, retain, others)
    stated = [] if received_at is None else [(RECEIVED_AT_PROPERTY, rfc3339(received_at))]
    assert unpack(packet) == (0x31 if retain else 0x30, topic, [*others, *stated], payload)


@pytest.mark.parametrize("size", [0, 100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_a_packet_of_any_length_says_how_long_it_is(size: int) -> None:
    assert unpack(publish_packet("t", bytes(size)))[3] == bytes(size)


def test_a_broker_gets_everything_in_order(broker: tuple[str, int]) -> None:
    topic = f"test/{uuid4().hex}"
    with listening(broker, f"{topic}/#") as heard:
        with Qos0Publisher(*broker, client_id=uuid4().hex) as publisher:
            publisher.publish(f"{topic}/ä", b"\xff\0", AT, user_properties=[("line", "4")])
            for number in range(2_000):
                publisher.publish(topic, str(number).encode())
            publisher.wait_all()
        wait_until(lambda: len(heard) == 2_001, 20, "all messages")
    first, *others = heard
    assert (first.topic, first.payload) == (f"{topic}/ä", b"\xff\0")
    stated = (RECEIVED_AT_PROPERTY, "2026-03-14T12:00:00.000005Z")
    assert getattr(first.properties, "UserProperty", None) == [("line", "4"), stated]
    assert [int(message.payload) for message in others] == list(range(2_000))


@pytest.mark.parametrize("kind", [Publisher, Qos0Publisher])
def test_what_is_to_be_kept_is_kept(broker: tuple[str, int], kind: type[Publisher | Qos0Publisher]) -> None:
    topic = f"test/{uuid4().hex}"
    with kind(*broker, client_id=uuid4().hex) as publisher:
        publisher.publish(topic, b"kept", AT, retain=True, user_properties=[("a", "b")])
        publisher.wait_all()
    with listening(broker, topic) as heard:
        wait_until(lambda: heard, 10, "the retained message")
    with kind(*broker, client_id=uuid4().hex) as publisher:
        publisher.publish(topic, b"", retain=True)
        publisher.wait_all()
    assert (heard[0].payload, heard[0].retain) == (b"kept", True)
    stated = (RECEIVED_AT_PROPERTY, rfc3339(AT))
    assert getattr(heard[0].properties, "UserProperty", None) == [("a", "b"), stated]


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0", "x" * 65_536, "ä" * 40_000])
@pytest.mark.parametrize("kind", [Publisher, Qos0Publisher])
def test_a_topic_that_nobody_may_publish_on_is_refused_without_being_told(
    topic: str, kind: type[Publisher | Qos0Publisher]
) -> None:
    with pytest.raises(UnpublishableError) as caught:
        kind("127.0.0.1", 1).publish(topic, b"")
    assert str(caught.value) == "A topic cannot be published on: it is empty, too long, or holds a wildcard or U+0000."


def test_a_broker_that_is_not_there_is_reported() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(BrokerUnavailableError, match=f"no MQTT broker at 127.0.0.1:{port}"):
            Qos0Publisher("127.0.0.1", port).__enter__()


def test_a_broker_that_says_nothing_is_reported() -> None:
    with FakeBroker() as fake, pytest.raises(BrokerUnavailableError, match="did not answer the connection"):
        Qos0Publisher("127.0.0.1", fake.port, patience_s=0.1).__enter__()


# paho leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", [Publisher, Qos0Publisher])
def test_a_broker_without_tls_is_no_broker_where_tls_is_asked_for(kind: type[Publisher | Qos0Publisher]) -> None:
    with FakeBroker() as fake:
        thread = threading.Thread(target=lambda: fake.accept().cut())
        thread.start()
        with pytest.raises(BrokerUnavailableError, match="no MQTT broker at"):
            kind("127.0.0.1", fake.port, tls=True).__enter__()
        thread.join()


def test_a_broker_that_hangs_up_is_reported_at_once() -> None:
    with FakeBroker() as fake:
        thread = threading.Thread(target=lambda: fake.accept().cut())
        thread.start()
        with pytest.raises(BrokerUnavailableError, match="the MQTT broker ended the connection"):
            Qos0Publisher("127.0.0.1", fake.port).__enter__()
        thread.join()


def test_a_property_that_is_too_long_is_refused() -> None:
    with pytest.raises(UnpublishableError, match="a user property cannot be sent: it is too long"):
        publish_packet("t", b"", user_properties=[("a", "x" * 65_536)])


def greeted(fake: FakeBroker, code: int = 0) -> Peer:
    """Take the next connection, and answer it."""
    peer = fake.accept()
    kind, _ = peer.packet()
    assert kind == CONNECT
    peer.sock.sendall(bytes([0x20, 3, 0, code, 0]))
    return peer


@contextmanager
def connected(patience_s: float = 20.0) -> Iterator[tuple[Qos0Publisher, Peer]]:
    """Yield a publisher, and the broker's end of its connection."""
    with FakeBroker() as fake:
        peers: list[Peer] = []
        thread = threading.Thread(target=lambda: peers.append(greeted(fake)))
        thread.start()
        with Qos0Publisher("127.0.0.1", fake.port, client_id="p", patience_s=patience_s) as publisher:
            thread.join()
            yield publisher, peers[0]


def test_a_broker_that_refuses_the_connection_is_reported() -> None:
    with FakeBroker() as fake:
        thread = threading.Thread(target=greeted, args=(fake, 0x87))
        thread.start()
        publisher = Qos0Publisher("127.0.0.1", fake.port, username="crew", password="wrong")
        with pytest.raises(BrokerUnavailableError, match="refused the connection: Not authorized"):
            publisher.__enter__()
        thread.join()


def test_messages_gather_until_they_are_let_go() -> None:
    with connected() as (publisher, peer):
        publisher.publish("first", b"")
        publisher.publish("second", b"")
        assert publisher._chunks.qsize() == 0
        publisher.flush()
        assert [peer.packet()[1][2:-1] for _ in range(2)] == [b"first", b"second"]


def test_everything_has_arrived_only_when_the_broker_has_answered() -> None:
    with connected() as (publisher, peer):
        publisher.publish("first", b"")
        waiting = threading.Thread(target=publisher.wait_all)
        waiting.start()
        assert [peer.packet()[0] for _ in range(2)] == [PUBLISH, PINGREQ]
        assert waiting.is_alive()
        peer.sock.sendall(b"\xd0")
        peer.sock.sendall(b"\x00")
        waiting.join(20)
        assert not waiting.is_alive()
        publisher.flush()
        publisher.__exit__(None, None, None)
        assert peer.packet()[0] == DISCONNECT


@pytest.mark.parametrize(
    ("farewell", "complaint"),
    [
        (b"", "the MQTT broker ended the connection"),
        (b"\xe0\x00", "ended the connection: Normal disconnection"),
        (b"\xd0\x00\xe0\x02\x97\x00", "ended the connection: Quota exceeded"),
        (b"\xe0\x01\x55", "ended the connection: reason code 0x55, which MQTT does not define"),
    ],
)
def test_a_connection_that_ends_is_an_error(farewell: bytes, complaint: str) -> None:
    with connected() as (publisher, peer):
        peer.sock.sendall(farewell)
        peer.sock.shutdown(socket.SHUT_WR)
        with pytest.raises(BrokerUnavailableError, match=complaint):
            publisher.wait_all()


def publish_without_end(publisher: Qos0Publisher) -> None:
    while True:
        publisher.publish("t", bytes(100_000))


def test_a_broker_that_takes_nothing_is_reported_and_not_waited_for() -> None:
    with connected(patience_s=0.3) as (publisher, _), pytest.raises(BrokerUnavailableError, match="took nothing"):
        publish_without_end(publisher)


def test_a_broker_that_never_answers_is_reported() -> None:
    with connected(patience_s=0.3) as (publisher, _):
        with pytest.raises(BrokerUnavailableError, match=r"did not answer for 0\.3 s"):
            publisher.wait_all()
        with pytest.raises(BrokerUnavailableError, match="did not answer"):
            publisher.wait_all()


def test_a_publisher_that_is_given_up_does_not_wait_for_a_broker_that_takes_nothing() -> None:
    with connected() as (publisher, peer):
        for _ in range(3):
            publisher.publish("t", bytes(8_000_000))
        assert peer.sock.recv(1) == b"\x30"


def test_a_quiet_publisher_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_qos0, "_KEEP_ALIVE_S", 0)
    with connected() as (publisher, peer):
        assert peer.packet()[0] == PINGREQ
        peer.sock.sendall(b"\xd0\x00")
        assert peer.packet()[0] == PINGREQ
        wait_until(lambda: publisher._failure, 20, "the second ping is not answered")
        with pytest.raises(BrokerUnavailableError, match="did not answer"):
            publisher.wait_all()
