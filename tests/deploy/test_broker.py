"""The broker's configuration is understood, and keeps it from forgetting."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.paths import REPO
from tests.wait import wait_until

CONFIGURATION = REPO / "deploy" / "mosquitto.conf"
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
PASSWORD = "only for this test"
MESSAGES = 50
KNOWN = {
    "listener", "allow_anonymous", "password_file", "persistence", "persistence_location", "autosave_on_changes",
    "autosave_interval", "max_queued_messages", "max_queued_bytes", "max_inflight_messages", "max_packet_size",
    "persistent_client_expiration", "log_dest", "log_type", "user", "socket_domain",
}  # fmt: skip

needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None or shutil.which("mosquitto_passwd") is None, reason="mosquitto is not installed"
)


def options() -> list[tuple[str, str]]:
    lines = (line.strip() for line in CONFIGURATION.read_text("utf-8").splitlines())
    return [(words[0], words[2]) for words in (line.partition(" ") for line in lines if line and line[0] != "#")]


def test_every_option_is_one_that_mosquitto_knows() -> None:
    assert {name for name, _ in options()} <= KNOWN
    repeated = [name for name, _ in options() if name != "log_type"]
    assert len(set(repeated)) == len(repeated)


def test_nobody_gets_in_without_a_password_and_nothing_is_forgotten() -> None:
    values = dict(options())
    assert values["allow_anonymous"] == "false"
    assert values["persistence"] == values["autosave_on_changes"] == "true"
    assert int(values["max_queued_messages"]) > 100_000
    start = (REPO / "deploy" / "mosquitto-start.sh").read_text("utf-8")
    assert f"mosquitto_passwd -b {values['password_file']}" in start
    compose = (REPO / "docker-compose.yml").read_text("utf-8")
    assert f"broker:{values['persistence_location'].rstrip('/')}" in compose
    assert f":{values['listener']}:{values['listener']}" in compose


@pytest.fixture
def configuration(tmp_path: Path) -> tuple[Path, int]:
    """Return the configuration with paths and port of this test."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "cityvigil", PASSWORD], check=True)
    here = {
        "listener": f"{port} 127.0.0.1",
        "password_file": str(passwords),
        "persistence_location": f"{tmp_path}/",
    }
    lines = [f"{name} {here.get(name, value)}" for name, value in options()]
    if os.geteuid() == 0:
        # Otherwise it would become its own user, who cannot read the test's folder.
        lines.append("user root")
    path = tmp_path / "mosquitto.conf"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path, port


@contextmanager
def broker(configuration: Path, port: int) -> Iterator[None]:
    """Run the broker and end it with kill -9."""
    assert MOSQUITTO is not None
    process = subprocess.Popen(
        [MOSQUITTO, "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: _listens(port), 10, "the broker listens")
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def connected(port: int, name: str, received: list[bytes], password: str = PASSWORD) -> Iterator[mqtt.Client]:
    """Connect with a session that lasts, and subscribe; take messages without acknowledging anything by hand."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
    client.username_pw_set("cityvigil", password)
    client.on_message = lambda _client, _data, message: received.append(bytes(message.payload))
    lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    lasting.SessionExpiryInterval = 3600
    ready: list[bool] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: ready.append(not reason.is_failure)
    client.connect("127.0.0.1", port, clean_start=False, properties=lasting)
    client.loop_start()
    try:
        wait_until(lambda: ready, 10, "the broker answers")
        assert ready[0], "the broker refused the log-in"
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@needs_mosquitto
def test_what_the_broker_acknowledged_survives_its_being_killed(configuration: tuple[Path, int]) -> None:
    path, port = configuration
    received: list[bytes] = []
    with broker(path, port):
        with connected(port, "reader", received) as reader:
            taken: list[int] = []
            reader.on_subscribe = lambda _client, _data, number, _reasons, _properties: taken.append(number)
            reader.subscribe("cityvigil/#", qos=1)
            wait_until(lambda: taken, 10, "the subscription is acknowledged")
        with connected(port, "writer", []) as writer:
            sent = [writer.publish("cityvigil/v1/x", str(number), qos=1) for number in range(MESSAGES)]
            wait_until(lambda: all(message.is_published() for message in sent), 20, "all are acknowledged")
    assert received == []
    with broker(path, port), connected(port, "reader", received):
        wait_until(lambda: len(received) >= MESSAGES, 20, "the messages come back")
    assert {int(payload) for payload in received} == set(range(MESSAGES))


@needs_mosquitto
def test_a_wrong_password_is_refused(configuration: tuple[Path, int]) -> None:
    path, port = configuration
    with (
        broker(path, port),
        pytest.raises(AssertionError, match="refused the log-in"),
        connected(port, "reader", [], "wrong"),
    ):
        pass
