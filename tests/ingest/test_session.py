"""The session at the broker keeps its promises when the broker, the network or another client misbehaves."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core.errors import SettingsError
from core.logging import Log, log_of
from core.message import Message
from core.settings import MqttSettings
from ingest.arrival import RECORDED_ARRIVAL, recorded_arrival
from ingest.backoff import Backoff
from ingest.connection import check_filters
from ingest.inbox import Delivery, Inbox
from ingest.service import acknowledge
from ingest.session import Session
from tests.ingest.fake_broker import FakeBroker, publish_packet
from tests.wait import wait_until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StillClock:
    def now(self) -> datetime:
        return NOW

    def to_wall_s(self, span_s: float) -> float:
        return span_s


@contextmanager
def session_at(port: int, inbox: Inbox, **settings: object) -> Iterator[Session]:
    mqtt = MqttSettings.model_validate({"port": port, "client_id": "test", **settings})
    log: Log = log_of("test")
    session = Session(mqtt, True, inbox, StillClock(), log, Backoff(0.01, 0.05))
    session.start()
    try:
        yield session
    finally:
        session.close()


def taken(inbox: Inbox, count: int) -> list[Delivery]:
    deliveries: list[Delivery] = []

    def enough() -> bool:
        deliveries.extend(inbox.gather(count - len(deliveries), 0.0, 0.0))
        return len(deliveries) == count

    wait_until(enough, 20, f"{count} messages")
    return deliveries


def test_the_session_outlives_connections_and_bounds_what_is_unacknowledged() -> None:
    with FakeBroker() as broker, session_at(broker.port, Inbox(10), session_expiry_s=77, receive_maximum=5):
        connect = broker.accept().greet()
    name, version, flags = connect[2:6], connect[6], connect[7]
    assert (name, version) == (b"MQTT", 5)
    assert not flags & 0x02, "clean start"
    assert b"\x11" + (77).to_bytes(4, "big") in connect
    assert b"\x21" + (5).to_bytes(2, "big") in connect


def test_an_old_packet_id_is_never_acknowledged_on_a_new_connection() -> None:
    inbox = Inbox(10)
    with FakeBroker() as broker, session_at(broker.port, inbox) as session:
        first = broker.accept()
        first.greet()
        first.sock.sendall(publish_packet(b"t", b"old", packet_id=1))
        old = taken(inbox, 1)
        first.cut()
        second = broker.accept()
        second.greet(session_present=True)
        second.sock.sendall(publish_packet(b"t", b"new", packet_id=1))
        new = taken(inbox, 1)
        acknowledge(old)
        session.stop_reading()
        closer = threading.Thread(target=session.close)
        closer.start()
        assert second.acknowledged() == []
        closer.join()
    assert (old[0].message.payload, new[0].message.payload) == (b"old", b"new")


def test_acknowledgements_go_out_in_order_before_the_farewell() -> None:
    inbox = Inbox(100)
    with FakeBroker() as broker, session_at(broker.port, inbox) as session:
        peer = broker.accept()
        peer.greet()
        for number in range(1, 51):
            peer.sock.sendall(publish_packet(b"t", b"%d" % number, packet_id=number))
        deliveries = taken(inbox, 50)
        acknowledge(deliveries)
        closer = threading.Thread(target=session.close)
        closer.start()
        assert peer.acknowledged() == list(range(1, 51))
        closer.join()


def test_nothing_is_acknowledged_that_nobody_asked_for() -> None:
    inbox = Inbox(100)
    with FakeBroker() as broker, session_at(broker.port, inbox) as session:
        peer = broker.accept()
        peer.greet()
        peer.sock.sendall(publish_packet(b"t", b"1", packet_id=1) + publish_packet(b"t", b"2", packet_id=2))
        acknowledge(taken(inbox, 2)[:1])
        closer = threading.Thread(target=session.close)
        closer.start()
        assert peer.acknowledged() == [1]
        closer.join()


def test_a_message_keeps_its_flags_its_bytes_and_its_recorded_arrival() -> None:
    inbox = Inbox(10)
    stated = [("other", "x"), (RECORDED_ARRIVAL, "2023-10-30T06:31:52.516885+02:00")]
    with FakeBroker() as broker, session_at(broker.port, inbox):
        peer = broker.accept()
        peer.greet()
        peer.sock.sendall(publish_packet(b"a/\xc3\xa4", b"\x00\xff", 1, flags=8, user_properties=stated))
        peer.sock.sendall(publish_packet(b"b", b"", flags=1))
        messages = [delivery.message for delivery in taken(inbox, 2)]
    recorded = datetime(2023, 10, 30, 4, 31, 52, 516885, tzinfo=UTC)
    assert messages == [
        Message("a/ä", b"\x00\xff", recorded, retained=False, duplicate=True),
        Message("b", b"", NOW, retained=True, duplicate=False),
    ]


def test_a_topic_that_is_not_utf8_is_a_message_like_any_other() -> None:
    inbox = Inbox(10)
    with FakeBroker() as broker, session_at(broker.port, inbox):
        peer = broker.accept()
        peer.greet()
        peer.sock.sendall(publish_packet(b"t/\xff", b"1", packet_id=1) + publish_packet(b"t/2", b"2", packet_id=2))
        assert [d.message.topic for d in taken(inbox, 2)] == ["t/\\xff", "t/2"]


def test_a_packet_that_the_client_library_cannot_read_only_costs_the_connection() -> None:
    inbox = Inbox(10)
    with FakeBroker() as broker, session_at(broker.port, inbox):
        peer = broker.accept()
        peer.greet()
        peer.sock.sendall(b"\x30\x01\x00")
        again = broker.accept()
        again.greet(session_present=True)
        again.sock.sendall(publish_packet(b"t", b"1"))
        assert taken(inbox, 1)[0].message.payload == b"1"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"connack": 0x87}, "refused the session: Not authorized"),
        ({"suback": 0x87}, "refused the subscription to # (Not authorized)"),
    ],
)
def test_a_refusal_is_told_and_tried_again(answers: dict[str, int], words: str) -> None:
    with capture_logs() as lines, FakeBroker() as broker, session_at(broker.port, Inbox(10)):
        broker.accept().greet(connack=answers.get("connack", 0), suback=answers.get("suback", 1))
        broker.accept().greet()
        wait_until(lambda: any(line["action"] == "broker_connected" for line in lines), 20, "the second connection")
    lost = next(line for line in lines if line["action"] == "broker_lost")
    assert words in lost["reason"]
    assert [line["action"] for line in lines].index("broker_lost") == 0, "a refused session never counts as connected"


def test_a_session_that_another_client_took_is_told_as_such() -> None:
    with capture_logs() as lines, FakeBroker() as broker, session_at(broker.port, Inbox(10)):
        peer = broker.accept()
        peer.greet()
        peer.sock.sendall(b"\xe0\x02\x8e\x00")
        broker.accept().greet(session_present=True)
        wait_until(lambda: any("took our session" in line["event"] for line in lines), 20, "the log line")


def test_short_connections_are_made_less_and_less_often() -> None:
    class Counting(Backoff):
        resets = 0

        def reset(self) -> None:
            self.resets += 1

    backoff = Counting(0.001, 1.0, lambda: 1.0)
    with FakeBroker() as broker:
        session = Session(MqttSettings(port=broker.port), True, Inbox(1), StillClock(), log_of("test"), backoff)
        session.start()
        for _ in range(4):
            peer = broker.accept()
            peer.greet()
            peer.sock.sendall(b"\xe0\x02\x8e\x00")
        broker.accept()
        session.close()
    assert backoff.resets == 0
    assert backoff.next_s() == pytest.approx(0.016)


def test_a_flood_of_qos_0_makes_the_socket_wait() -> None:
    inbox = Inbox(50)
    flood = [publish_packet(b"t", b"%06d" % number + bytes(20_000)) for number in range(1_000)]
    most = 0
    with FakeBroker() as broker, session_at(broker.port, inbox):
        peer = broker.accept()
        peer.greet()
        sender = threading.Thread(target=lambda: peer.sock.sendall(b"".join(flood)))
        sender.start()
        wait_until(lambda: len(inbox) == 50, 20, "a full inbox")
        assert sender.is_alive(), "20 MB cannot have gone anywhere"
        numbers: list[int] = []
        while len(numbers) < 1_000:
            most = max(most, len(inbox))
            numbers += [int(d.message.payload[:6]) for d in inbox.gather(10, 0.0, 0.0)]
        sender.join()
    assert numbers == list(range(1_000))
    assert most <= 50


def test_a_full_inbox_leaves_the_broker_in_no_doubt_that_we_live() -> None:
    inbox = Inbox(1)
    with FakeBroker() as broker, session_at(broker.port, inbox, keep_alive_s=1):
        peer = broker.accept()
        peer.greet()
        peer.sock.sendall(publish_packet(b"t", b"1") * 3)
        kinds = [peer.packet()[0] for _ in range(4)]
        peer.sock.sendall(b"\xd0\x00" * 4)
        assert kinds == [12] * 4
        assert len(taken(inbox, 3)) == 3


@given(sizes=st.lists(st.integers(0, 60), max_size=30), max_messages=st.integers(1, 8), max_bytes=st.integers(1, 100))
def test_the_inbox_is_bounded_in_messages_and_bytes(sizes: list[int], max_messages: int, max_bytes: int) -> None:
    inbox = Inbox(max_messages, max_bytes)
    held: list[int] = []
    for size in sizes:
        if inbox.has_room():
            inbox.put(Delivery(Message("t", bytes(size), NOW), None, 0))
            held.append(size)
            assert len(inbox) <= max_messages
            assert sum(held[:-1]) < max_bytes
        else:
            assert len(held) == max_messages or sum(held) >= max_bytes
            assert [len(d.message.payload) for d in inbox.gather(1, 0.0, 0.0)] == held[:1]
            held = held[1:]
    assert len(inbox) == len(held)


@given(draws=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_delays_grow_to_a_limit_and_are_cut_by_chance(draws: list[float]) -> None:
    chance = iter(draws)
    backoff = Backoff(0.5, 8.0, lambda: next(chance))
    for count in range(len(draws)):
        due_s = min(0.5 * 2**count, 8.0)
        assert due_s / 2 <= backoff.next_s() <= due_s


def test_after_a_success_the_first_delay_is_due_again() -> None:
    backoff = Backoff(1.0, 100.0, lambda: 1.0)
    assert [backoff.next_s() for _ in range(3)] == [1.0, 2.0, 4.0]
    backoff.reset()
    assert backoff.next_s() == 1.0


@pytest.mark.parametrize("topics", [(), ("",), ("a/#/b",), ("a+",)])
def test_a_filter_that_is_none_is_refused_before_anything_is_connected(topics: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="CITYVIGIL_MQTT__TOPICS"):
        check_filters(MqttSettings(topics=topics))


def test_shared_subscriptions_are_filters() -> None:
    check_filters(MqttSettings(topics=("$share/ingest/cityvigil/#", "+/x")))


@pytest.mark.parametrize(
    "stated", ["", "yesterday", "2023-10-30T06:31:52", "2023-10-30T06:31:52+99:00", "0001-01-01T00:00:00+10:00"]
)
def test_a_recorded_arrival_that_cannot_be_read_is_none(stated: str) -> None:
    assert recorded_arrival([(RECORDED_ARRIVAL, stated)]) is None


def test_other_user_properties_state_no_arrival() -> None:
    assert recorded_arrival([("x", "2023-10-30T06:31:52Z")]) is None
