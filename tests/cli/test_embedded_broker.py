"""What City Vigil relies on in the embedded broker, and what it must not rely on."""

import os
import shutil
import signal
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cli.embedded import EmbeddedBroker
from core.errors import BrokerUnavailableError
from tests.cli.processes import processes_of
from tests.wait import wait_until

SAFETY_NET_S = 30.0
IN_FLIGHT = 100

Connect = Callable[[str], "Client"]


def properties_of(packet: int, **values: object) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


class Client:
    """A connected MQTT 5 client that keeps what it gets and acknowledges only what it is told to."""

    def __init__(self, address: tuple[str, int], name: str) -> None:
        self.messages: list[mqtt.MQTTMessage] = []
        self.granted: list[ReasonCode] = []
        self.sessions: list[bool] = []
        self.paho = mqtt.Client(
            CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5, manual_ack=True, reconnect_on_failure=False
        )
        self.paho.on_connect = lambda _client, _data, flags, _code, _properties: self.sessions.append(
            flags.session_present
        )
        self.paho.on_message = lambda _client, _data, message: self.messages.append(message)
        self.paho.on_subscribe = lambda _client, _data, _mid, codes, _properties: self.granted.extend(codes)
        properties = properties_of(PacketTypes.CONNECT, SessionExpiryInterval=3600)
        host, port = address
        self.paho.connect(host, port, clean_start=False, properties=properties)
        self.paho.loop_start()
        wait_until(lambda: self.sessions, SAFETY_NET_S, f"{name} is connected")

    def subscribe(self, topic: str, qos: int = 1) -> None:
        before = len(self.granted)
        self.paho.subscribe(topic, qos)
        wait_until(lambda: len(self.granted) > before, SAFETY_NET_S, f"{topic} is granted")

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, properties: Properties | None = None
    ) -> None:
        self.paho.publish(topic, payload, 1, retain, properties).wait_for_publish(SAFETY_NET_S)

    def expect(self, count: int) -> list[bytes]:
        wait_until(lambda: len(self.messages) >= count, SAFETY_NET_S, f"{count} messages, {len(self.messages)} so far")
        return [bytes(message.payload) for message in self.messages]

    def acknowledge(self, count: int) -> None:
        for message in self.messages[:count]:
            self.paho.ack(message.mid, message.qos)
        # The broker takes packets in order: an answer to this one shows that the acknowledgements are in.
        self.publish("test-acknowledged", b"")

    def cut(self) -> None:
        """Go without a word, as a killed process does."""
        connected = self.paho.socket()
        if isinstance(connected, socket.socket):
            connected.shutdown(socket.SHUT_RDWR)
        self.paho.loop_stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="cityvigil-test-"))
    yield made
    wait_until(lambda: not processes_of(made), SAFETY_NET_S, "everything that worked in the folder is gone")
    shutil.rmtree(made)


@pytest.fixture
def connect(broker: tuple[str, int]) -> Iterator[Connect]:
    """Yield a function that makes a client on the shared broker; all are cut off in the end."""
    made: list[Client] = []

    def connect(name: str) -> Client:
        made.append(Client(broker, name))
        return made[-1]

    yield connect
    for client in made:
        client.cut()


@pytest.fixture
def topic() -> str:
    return f"test-{uuid.uuid4().hex}"


def test_an_unacknowledged_message_comes_again_after_the_client_was_killed(connect: Connect, topic: str) -> None:
    sender, first = connect(f"sender-{topic}"), connect(f"session-{topic}")
    first.subscribe(topic)
    for number in range(5):
        sender.publish(topic, b"%d" % number)
    assert first.expect(5) == [b"0", b"1", b"2", b"3", b"4"]
    first.acknowledge(2)
    first.cut()
    sender.publish(topic, b"meanwhile")
    second = connect(f"session-{topic}")
    assert second.sessions == [True]
    assert second.expect(4) == [b"2", b"3", b"4", b"meanwhile"]


def test_a_second_subscription_does_not_bring_stored_messages_twice(connect: Connect, topic: str) -> None:
    sender, first = connect(f"sender-{topic}"), connect(f"session-{topic}")
    first.subscribe(topic)
    first.cut()
    sender.publish(topic, b"meanwhile")
    second = connect(f"session-{topic}")
    second.subscribe(topic)
    sender.publish(topic, b"last")
    assert second.expect(2) == [b"meanwhile", b"last"]


def test_a_hundred_messages_are_in_flight_at_most(connect: Connect, topic: str) -> None:
    sender, receiver, other = connect(f"sender-{topic}"), connect(f"receiver-{topic}"), connect(f"other-{topic}")
    receiver.subscribe(topic)
    other.subscribe(f"{topic}/end")
    for number in range(IN_FLIGHT + 10):
        sender.publish(topic, b"%d" % number)
    receiver.expect(IN_FLIGHT)
    sender.publish(f"{topic}/end", b"")
    other.expect(1)
    assert len(receiver.messages) == IN_FLIGHT
    receiver.acknowledge(10)
    assert receiver.expect(IN_FLIGHT + 10)[-1] == b"109"


def test_user_properties_and_content_type_arrive(connect: Connect, topic: str) -> None:
    sender, receiver = connect(f"sender-{topic}"), connect(f"receiver-{topic}")
    receiver.subscribe(topic)
    pairs = [("b", "2"), ("a", "1"), ("a", "ș")]
    properties = properties_of(PacketTypes.PUBLISH, UserProperty=pairs, ContentType="application/json")
    sender.publish(topic, b"{}", properties=properties)
    receiver.expect(1)
    arrived = receiver.messages[0].properties
    assert vars(arrived)["UserProperty"] == pairs
    assert vars(arrived)["ContentType"] == "application/json"


@pytest.mark.parametrize("size", [0, 1_000_000, 8 * 1024 * 1024])
def test_payloads_of_any_usual_size_pass(connect: Connect, topic: str, size: int) -> None:
    sender, receiver = connect(f"sender-{topic}"), connect(f"receiver-{topic}")
    receiver.subscribe(topic)
    payload = os.urandom(size)
    sender.publish(topic, payload)
    assert receiver.expect(1) == [payload]


def test_the_last_retained_message_of_each_topic_is_sent_to_a_newcomer(connect: Connect, topic: str) -> None:
    sender, receiver = connect(f"sender-{topic}"), connect(f"receiver-{topic}")
    sender.publish(f"{topic}/a", b"old", retain=True)
    sender.publish(f"{topic}/a", b"new", retain=True)
    sender.publish(f"{topic}/b", b"gone", retain=True)
    sender.publish(f"{topic}/b", b"", retain=True)
    receiver.subscribe(f"{topic}/+")
    sender.publish(f"{topic}/c", b"live")
    assert receiver.expect(2) == [b"new", b"live"]
    assert [message.retain for message in receiver.messages] == [True, False]


def test_a_shared_subscription_gives_each_message_to_one(connect: Connect, topic: str) -> None:
    sender = connect(f"sender-{topic}")
    sharers = [connect(f"sharer-{number}-{topic}") for number in range(2)]
    for sharer in sharers:
        sharer.subscribe(f"$share/group/{topic}")
    sent = {b"%d" % number for number in range(20)}
    for payload in sorted(sent):
        sender.publish(topic, payload)
    wait_until(lambda: sum(len(sharer.messages) for sharer in sharers) >= len(sent), SAFETY_NET_S, "all are shared out")
    shares = [{message.payload for message in sharer.messages} for sharer in sharers]
    assert (shares[0] | shares[1], shares[0] & shares[1]) == (sent, set())
    assert all(shares)
    for sharer in sharers:
        sharer.acknowledge(len(sharer.messages))


def test_a_broker_that_no_longer_answers_is_ended_and_reported(folder: Path) -> None:
    with EmbeddedBroker(folder) as broker:
        address = (broker.host, broker.port)
        sender, sharer = Client(address, "sender"), Client(address, "sharer")
        sharer.subscribe("$share/group/topic")
        sender.publish("topic", b"never acknowledged")
        sharer.expect(1)
        # rumqttd 0.20 loses its router thread when the last sharer goes with a message in hand; its port stays open.
        sharer.cut()
        with pytest.raises(BrokerUnavailableError, match="panicked"):
            wait_until(broker.check, SAFETY_NET_S, "the silence is noticed")
        sender.cut()


def test_listens_on_this_machine_only(folder: Path) -> None:
    with EmbeddedBroker(folder) as broker:
        listening = [
            entry.laddr
            for entry in psutil.Process(broker.guard_pid).net_connections("inet")
            if entry.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", broker.port)]
        assert broker.host == "127.0.0.1"


def test_two_brokers_find_ports_of_their_own(folder: Path) -> None:
    with EmbeddedBroker(folder / "a") as first, EmbeddedBroker(folder / "b") as second:
        assert first.port != second.port
        Client((first.host, first.port), "one").cut()
        Client((second.host, second.port), "one").cut()


def test_a_port_that_is_asked_for_is_used_or_refused(folder: Path) -> None:
    with EmbeddedBroker(folder / "a") as first:
        port = first.port
        with pytest.raises(BrokerUnavailableError, match=str(port)), EmbeddedBroker(folder / "b", port):
            pass
    with EmbeddedBroker(folder / "b", port) as second:
        assert second.port == port


def test_a_killed_broker_is_reported(folder: Path) -> None:
    with EmbeddedBroker(folder) as broker:
        broker.check()
        os.kill(broker.guard_pid, signal.SIGKILL)
        with pytest.raises(BrokerUnavailableError, match="ended"):
            wait_until(broker.check, SAFETY_NET_S, "the death is noticed")


def test_the_port_is_closed_in_the_end(folder: Path) -> None:
    with EmbeddedBroker(folder) as broker:
        address = (broker.host, broker.port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
