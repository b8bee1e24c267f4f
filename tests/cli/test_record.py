"""What a broker delivers is recorded byte by byte, whatever happens meanwhile, and replayed as it was."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from paho.mqtt.client import Client
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from structlog.testing import capture_logs

from cli.record import Recorded, record, rules_of, wanted_of
from cli.replay import plan_of, replay
from cli.simulate import city_of, simulate
from cli.status import closes
from core.clock import SystemClock
from core.errors import BrokerUnavailableError
from core.settings import IngestSettings, MqttSettings, Settings
from simulators.publish import RECEIVED_AT_PROPERTY
from simulators.recorder_files import recordings_in
from simulators.recording import RecordedMessage, read_recordings
from store.database import Connection
from tests.cli.calling import PATIENCE_S, argv, call, environment
from tests.cli.ingesting import ingesting, received, wait_for_messages
from tests.ingest.fake_broker import FakeBroker, publish_packet
from tests.ingest.proxy import Proxy
from tests.ingest.running import actions, publisher
from tests.simulators.listening import listening
from tests.wait import wait_until

START = datetime(2026, 9, 16, 17, 0, tzinfo=UTC)


def at_broker(broker: tuple[str, int]) -> dict[str, str]:
    return {"MQTT__HOST": broker[0], "MQTT__PORT": str(broker[1]), "LOG__FORMAT": "json"}


class Recording:
    """A `cityvigil record` that runs as a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", out: Path, log: Path) -> None:
        self.process = process
        self.out = out
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def messages(self) -> list[RecordedMessage]:
        return list(read_recordings(recordings_in(self.out, "feed"), lambda _: None))

    def wait_for(self, count: int) -> None:
        wait_until(lambda: self.out.exists() and len(self.messages()) >= count, PATIENCE_S, f"{count} messages on disk")

    def end(self) -> str:
        """Press Ctrl-C, and return what it says."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, self.log
        return said


@contextmanager
def recording(broker: tuple[str, int], folder: Path, *arguments: str) -> Iterator[Recording]:
    """Record, once the subscription stands; in the end it runs no more."""
    out, log = folder / "recordings", folder / "log"
    command = argv("record", *arguments, "--out", str(out), "--flush-s", "0.1")
    with (
        log.open("w") as sink,
        subprocess.Popen(
            command,
            env=environment(folder, at_broker(broker)),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
        ) as process,
    ):
        try:
            running = Recording(process, out, log)
            wait_until(lambda: "broker_connected" in running.log, PATIENCE_S, "the subscription")
            yield running
        finally:
            if process.poll() is None:
                process.kill()


def send(
    client: Client, topic: str, payload: bytes, *, retain: bool = False, properties: Sequence[tuple[str, str]] = ()
) -> None:
    stated = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho annotates it no further
    if properties:
        stated.UserProperty = list(properties)
    sent = client.publish(topic, payload, 1, retain, stated)
    sent.wait_for_publish(PATIENCE_S)
    assert sent.is_published()


PAYLOADS = [b"", b"\0\xff\xfe\r\n", '{"text": "ä\\n"}'.encode(), b"plain", os.urandom(70_000)]


def test_what_was_recorded_is_replayed_byte_by_byte(broker: tuple[str, int], tmp_path: Path) -> None:
    root = f"t/{uuid4().hex}"
    before = datetime.now(UTC)
    with publisher(broker) as client:
        send(client, f"{root}/kept", b"old news", retain=True)
        with recording(broker, tmp_path, f"{root}/#", "--qos", "1") as running:
            running.wait_for(1)
            for number, payload in enumerate(PAYLOADS):
                send(client, f"{root}/ö {number}", payload, properties=[("line", "4"), ("line", "ä")])
            running.wait_for(1 + len(PAYLOADS))
            said = running.end()
        send(client, f"{root}/kept", b"", retain=True)
    assert said.startswith(f"received {1 + len(PAYLOADS)} messages, wrote {1 + len(PAYLOADS)} of them into 1 file ")
    kept, *others = running.messages()
    assert (kept.topic, kept.payload, kept.retained) == (f"{root}/kept", b"old news", True)
    assert [(one.topic, one.payload, one.retained, one.qos, one.user_properties) for one in others] == [
        (f"{root}/ö {number}", payload, False, 1, (("line", "4"), ("line", "ä")))
        for number, payload in enumerate(PAYLOADS)
    ]
    arrivals = [one.received_at for one in running.messages()]
    assert before <= arrivals[0] <= arrivals[-1] <= datetime.now(UTC)
    assert arrivals == sorted(arrivals)

    files = [str(path) for path in recordings_in(running.out, "feed")]
    with listening(broker, f"{root}/#") as heard:
        for qos in ("0", "1"):
            done = call(["replay", *files, "--speed", "max", "--qos", qos], tmp_path, at_broker(broker))
            assert done.returncode == 0, done.stderr
            wait_until(lambda: len(heard) == 1 + len(PAYLOADS), PATIENCE_S, "all messages again")
            assert [(one.topic, one.payload, one.retain) for one in heard] == [
                (one.topic, one.payload, False) for one in running.messages()
            ]
            stated = [
                one.received_at.isoformat(timespec="microseconds").replace("+00:00", "Z") for one in [kept, *others]
            ]
            assert [dict(getattr(one.properties, "UserProperty", ()))[RECEIVED_AT_PROPERTY] for one in heard] == stated
            assert getattr(heard[1].properties, "UserProperty", ())[:2] == [("line", "4"), ("line", "ä")]
            heard.clear()
    done = call(["replay", *files, "--speed", "max", "--keep-retained"], tmp_path, at_broker(broker))
    assert done.returncode == 0, done.stderr
    with listening(broker, f"{root}/#") as heard:
        wait_until(lambda: heard, PATIENCE_S, "what the broker keeps again")
        assert [(one.topic, one.payload, one.retain) for one in heard] == [(f"{root}/kept", b"old news", True)]
    with publisher(broker) as client:
        send(client, f"{root}/kept", b"", retain=True)


def test_kill_9_costs_no_more_than_what_was_not_flushed(broker: tuple[str, int], tmp_path: Path) -> None:
    root = f"t/{uuid4().hex}"
    with publisher(broker) as client, recording(broker, tmp_path, f"{root}/#") as running:
        for number in range(300):
            client.publish(f"{root}/{number}", str(number), 1)
        running.wait_for(300)
        last = [client.publish(f"{root}/{number}", str(number), 1) for number in range(300, 3_000)][-1]
        running.wait_for(301)
        running.process.kill()
        running.process.wait(PATIENCE_S)
        last.wait_for_publish(PATIENCE_S)
    kept = [int(one.payload) for one in running.messages()]
    assert len(kept) > 300
    assert kept == list(range(len(kept)))


def settings_for(broker: tuple[str, int], *, trust: bool = True) -> Settings:
    mqtt = MqttSettings(host=broker[0], port=broker[1])
    return Settings(mqtt=mqtt, ingest=IngestSettings(trust_recorded_arrival=trust))


@contextmanager
def recording_here(settings: Settings, folder: Path, *topics: str) -> Iterator[Recorded]:
    """Record on a thread; what came of it is filled in at the end."""
    stop, counted, failures = threading.Event(), Recorded(), list[BaseException]()
    rules = rules_of(folder, "feed", 100, 60, 0, 0.05)

    def work() -> None:
        try:
            done = record(settings, wanted_of(settings, topics, 1), rules, SystemClock(), stop)
            for name in Recorded.__slots__:
                setattr(counted, name, getattr(done, name))
        except BaseException as exc:  # noqa: BLE001 - handed to the test
            failures.append(exc)

    thread = threading.Thread(target=work)
    with capture_logs() as lines:
        thread.start()
        try:
            wait_until(lambda: failures or "broker_connected" in actions(lines), PATIENCE_S, "the subscription")
            yield counted
        finally:
            stop.set()
            thread.join(PATIENCE_S)
    assert not thread.is_alive()
    for failure in failures:
        raise failure


def recorded_in(folder: Path) -> list[RecordedMessage]:
    return list(read_recordings(recordings_in(folder, "feed"), lambda _: None)) if folder.exists() else []


def test_a_lost_broker_is_tried_again_and_noted(broker: tuple[str, int], tmp_path: Path) -> None:
    root = f"t/{uuid4().hex}"
    with Proxy(broker) as proxy, publisher(broker) as client:
        send(client, f"{root}/kept", b"old news", retain=True)
        with (
            capture_logs() as lines,
            recording_here(settings_for(("127.0.0.1", proxy.port)), tmp_path, f"{root}/#") as counted,
        ):
            wait_until(lambda: len(recorded_in(tmp_path)) == 1, PATIENCE_S, "what the broker keeps")
            send(client, f"{root}/1", b"before")
            wait_until(lambda: len(recorded_in(tmp_path)) == 2, PATIENCE_S, "the first message")
            proxy.cut()
            wait_until(lambda: proxy.connections == 2, PATIENCE_S, "another connection")

            def sent_and_recorded() -> bool:
                send(client, f"{root}/2", b"after")
                return recorded_in(tmp_path)[-1].payload == b"after"

            wait_until(sent_and_recorded, PATIENCE_S, "a message after the cut")
        send(client, f"{root}/kept", b"", retain=True)
        assert lines == []
    assert counted.lost == 1
    assert counted.received == counted.written == len(recorded_in(tmp_path))
    assert "; the broker was lost once, and what it got meanwhile is missing" in counted.sentence()
    assert [one.payload for one in recorded_in(tmp_path)][:2] == [b"old news", b"before"]
    # The embedded broker sends what it keeps once more, although it is told not to.
    assert {one.payload for one in recorded_in(tmp_path)[2:] if not one.retained} == {b"after"}


@pytest.mark.parametrize("trust", [True, False])
def test_a_recording_of_a_replay_keeps_the_recorded_arrival(
    broker: tuple[str, int], tmp_path: Path, trust: bool
) -> None:
    root, stated = f"t/{uuid4().hex}", "2024-05-23T06:48:33.366814Z"
    with publisher(broker) as client, recording_here(settings_for(broker, trust=trust), tmp_path, f"{root}/#"):
        send(client, root, b"", properties=[("a", "b"), (RECEIVED_AT_PROPERTY, stated)])
        send(client, root, b"", properties=[(RECEIVED_AT_PROPERTY, "yesterday")])
        wait_until(lambda: len(recorded_in(tmp_path)) == 2, PATIENCE_S, "both messages")
    first, second = recorded_in(tmp_path)
    assert (first.received_at == datetime.fromisoformat(stated)) == trust
    assert first.user_properties == (("a", "b"),) if trust else (("a", "b"), (RECEIVED_AT_PROPERTY, stated))
    assert datetime.now(UTC) - second.received_at < timedelta(minutes=5)
    assert second.user_properties == ((RECEIVED_AT_PROPERTY, "yesterday"),)


def test_a_topic_that_is_not_utf_8_is_counted_and_left_out(tmp_path: Path) -> None:
    with FakeBroker() as fake:

        def serve() -> None:
            peer = fake.accept()
            peer.greet(suback=1)
            peer.sock.sendall(publish_packet(b"\xff", b"x") + publish_packet(b"good", b"y"))
            wait_until(lambda: recorded_in(tmp_path), PATIENCE_S, "the good one")

        thread = threading.Thread(target=serve)
        thread.start()
        with recording_here(settings_for(("127.0.0.1", fake.port)), tmp_path, "#") as counted:
            thread.join(PATIENCE_S)
    assert [one.topic for one in recorded_in(tmp_path)] == ["good"]
    assert (counted.received, counted.written, counted.unwritable) == (2, 1, 1)
    assert "; 1 were left out, because their topics are not UTF-8" in counted.sentence()


@pytest.mark.parametrize(
    ("connack", "suback", "complaint"),
    [
        (0x87, 0, "the broker refused the session: Not authorized"),
        (0, 0x87, r"the broker refused the subscription to topic 1 \(Not authorized\)"),
    ],
)
def test_a_broker_that_refuses_ends_it(tmp_path: Path, connack: int, suback: int, complaint: str) -> None:
    with FakeBroker() as fake:
        thread = threading.Thread(target=lambda: fake.accept().greet(connack=connack, suback=suback))
        thread.start()
        settings = settings_for(("127.0.0.1", fake.port))
        wanted, rules = wanted_of(settings, ["key/#"], 0), rules_of(tmp_path, "feed", 1, 1, 0, 1)
        with capture_logs(), pytest.raises(BrokerUnavailableError, match=complaint) as caught:
            record(settings, wanted, rules, SystemClock(), threading.Event())
        thread.join(PATIENCE_S)
    assert "key" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_topics_are_in_no_log_and_an_end_can_be_set(broker: tuple[str, int], tmp_path: Path) -> None:
    arguments = ["record", "4jggokgpepnvsb2uv4s40d59ov/#", "--out", "new/folder", "--minutes", "0.002"]
    done = call(arguments, tmp_path, {**at_broker(broker), "LOG__LEVEL": "debug"})
    assert done.returncode == 0, done.stderr
    assert "4jggo" not in done.stdout + done.stderr
    assert done.stdout == "received 0 messages, wrote 0 of them into 0 files of 0.0 MB\n"
    assert [json.loads(line)["action"] for line in done.stderr.splitlines()] == ["broker_connected", "service_stopped"]
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_a_broker_that_is_away_and_a_folder_that_cannot_be_are_plain_lines(
    broker: tuple[str, int], tmp_path: Path
) -> None:
    away = call(["record", "#", "--out", "x"], tmp_path, at_broker(("127.0.0.1", 1)))
    assert away.returncode == 1
    assert away.stderr.startswith("cityvigil: cannot record from the MQTT broker at 127.0.0.1:1: cannot connect: ")
    (tmp_path / "file").write_text("")
    folder = call(["record", "#", "--out", "file/x"], tmp_path, at_broker(broker))
    assert folder.returncode == 1
    assert folder.stderr == "cityvigil: file/x: cannot be written: Not a directory\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["a", "secret#", "--out", "x"], "topic filter 2 is none"),
        (["a", "--out", "x", "--prefix", "a/b"], "'a/b' is no prefix"),
        (["a", "--out", "x", "--prefix", ".a"], "'.a' is no prefix"),
        (["a", "--out", "x", "--qos", "2"], "--qos"),
        (["a"], "--out"),
    ],
)
def test_what_makes_no_recording_is_refused(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    done = call(["record", *arguments], tmp_path)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "secret" not in done.stderr


_ON_A_SMALL_DISK = (
    "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); from cli.main import main; main()"
)


def test_a_full_disk_ends_it_with_a_plain_line_and_a_whole_file(broker: tuple[str, int], tmp_path: Path) -> None:
    root = f"t/{uuid4().hex}"
    command = [*argv()[:1], "-c", _ON_A_SMALL_DISK, "record", f"{root}/#", "--out", ".", "--flush-s", "0.05"]
    pipe = subprocess.PIPE
    with (
        publisher(broker) as client,
        subprocess.Popen(
            command, env=environment(tmp_path, at_broker(broker)), cwd=tmp_path, stdout=pipe, stderr=pipe, text=True
        ) as process,
    ):
        try:
            assert process.stderr is not None
            assert "broker_connected" in process.stderr.readline()

            def sent_too_much() -> bool:
                send(client, root, os.urandom(3_000))
                return process.poll() is not None

            wait_until(sent_too_much, PATIENCE_S, "the disk is full")
        finally:
            process.kill()
        complaint = process.stderr.read()
    assert process.returncode == 1
    (path,) = recordings_in(tmp_path, "feed")
    assert complaint == f"cityvigil: {path.name}: cannot be written: File too large\n"
    warnings: list[str] = []
    assert len(list(read_recordings([path], warnings.append))) >= 3
    assert warnings == []


def test_a_recorded_city_fills_a_store_as_the_city_itself_did(
    own_broker: tuple[str, int], connection: Connection, database_url: str, tmp_path: Path
) -> None:
    mqtt = MqttSettings(host=own_broker[0], port=own_broker[1], client_id=uuid4().hex, topics=("/hfp/#", "cityvigil/#"))
    settings = Settings(mqtt=mqtt, ingest=IngestSettings(flush_after_s=0.05))
    end = START + timedelta(minutes=2)
    with recording_here(settings, tmp_path, "/hfp/#", "cityvigil/#") as counted:
        city = city_of(settings, "tiny", 7)
        published = simulate(settings, city, START, tmp_path / "faults", FixedClock(end), threading.Event(), end)
        wait_until(lambda: len(recorded_in(tmp_path)) >= published, PATIENCE_S, "the whole city on disk")
    assert counted.received == counted.written == published > 200
    with ingesting(settings, database_url, FixedClock(end)):
        replayed = replay(settings, plan_of(recordings_in(tmp_path, "feed"), speed="max"), threading.Event())
        accounts = wait_for_messages(connection, published)
    assert replayed == (published, ())
    assert received(connection) == published
    assert {account.feed for account in accounts} == {"hfp", "cityvigil_json"}
    assert all(closes(account) for account in accounts)
    assert sum(account.rejected for account in accounts) == 0


class FixedClock:
    """Stands still."""

    def __init__(self, time: datetime) -> None:
        self._time = time

    def now(self) -> datetime:
        return self._time

    def to_wall_s(self, _span_s: float) -> float:
        return 0.0
