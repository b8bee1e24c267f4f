"""How fast recordings are replayed and made, beside a bare paho client with the same broker in the same run.

Run: `python benchmarks/replay.py [messages] [runs]`. Prints one JSON object; each rate is in messages per second and
the median of the runs, which take turns, so that what else goes on on the machine strikes all of them. The end of
publishing is when the broker has answered what was sent last, not when the client has got rid of it.
"""

import json
import multiprocessing
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cli.embedded import EmbeddedBroker
from cli.replay import plan_of, publish_due
from core.clock import SystemClock
from core.settings import MqttSettings
from simulators.publish import Publisher
from simulators.publish_qos0 import Qos0Publisher, publish_packet
from simulators.recorded_replay import Replay
from simulators.recorder import Listener, Wanted
from simulators.recorder_files import FileRules, RecordingFiles, recordings_in
from simulators.recorder_thread import RecordingThread
from simulators.recording import RecordedMessage, read_recordings

PAYLOAD_BYTES = 300
DEVICES = 500
START = datetime(2026, 3, 1, tzinfo=UTC)
END_TOPIC = "benchmark/end"
PATIENCE_S = 120.0

Address = tuple[str, int]


def message(number: int) -> RecordedMessage:
    """Return a vehicle's position of 300 bytes, in which as much changes as in a real one, so that it packs as such."""
    at = START + timedelta(milliseconds=number)
    vehicle = number % DEVICES
    body = {
        "desi": "",
        "dir": "1",
        "oper": 22,
        "veh": vehicle,
        "tst": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "tsi": int(at.timestamp()),
        "spd": number * 7_919 % 2_000 / 100,
        "hdg": number * 6_997 % 360,
        "lat": round(60.1 + number * 104_729 % 99_991 / 1e6, 6),
        "long": round(24.7 + number * 7_369 % 99_989 / 1e6, 6),
        "acc": number * 31 % 200 / 100 - 1,
        "dl": -28,
        "odo": number * 13 % 30_000,
        "drst": 0,
        "oday": "2026-03-01",
        "jrn": 102,
        "start": "10:15",
        "loc": "GPS",
        "route": "2112",
        "occu": 0,
    }
    wanted = PAYLOAD_BYTES - len(_json({"VP": body}))
    payload = _json({"VP": {**body, "desi": "1" * wanted}})
    levels = f"60;24/17/{number % 97}/{number % 89}"
    topic = f"/hfp/v2/journey/ongoing/vp/bus/0022/{vehicle:05}/2112/1/Centre/10:15/2314215/4/{levels}"
    return RecordedMessage(at, topic, payload)


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


@contextmanager
def any_broker(folder: Path) -> Iterator[tuple[str, Address]]:
    """Yield the name and the address of a broker: mosquitto if there is one, else the embedded one."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        with EmbeddedBroker(folder / "broker") as embedded:
            yield "iotcore", (embedded.host, embedded.port)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address: Address = probe.getsockname()
    configuration = folder / "mosquitto.conf"
    configuration.write_text(f"listener {address[1]} {address[0]}\nallow_anonymous true\n")
    silent = subprocess.DEVNULL
    with subprocess.Popen([program, "-c", configuration], stdout=silent, stderr=silent) as run:  # noqa: S603 - our own
        try:
            wait_for_port(address)
            yield "mosquitto", address
        finally:
            run.terminate()


def wait_for_port(address: Address) -> None:
    """Return as soon as somebody listens."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        with suppress(OSError), socket.create_connection(address):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nobody listens at {address}")


def bare_threaded(address: Address, messages: Sequence[RecordedMessage]) -> float:
    """Publish with paho, its network loop on a thread, as its documentation shows first."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    ready = threading.Event()
    client.on_connect = lambda *_: ready.set()
    client.connect(*address)
    client.loop_start()
    ready.wait(PATIENCE_S)
    began_s = time.perf_counter()
    for one in messages:
        client.publish(one.topic, one.payload)
    client.publish(END_TOPIC, qos=1).wait_for_publish(PATIENCE_S)
    lasted_s = time.perf_counter() - began_s
    client.disconnect()
    client.loop_stop()
    return len(messages) / lasted_s


def bare_alone(address: Address, messages: Sequence[RecordedMessage]) -> float:
    """Publish with paho on one thread: each message is written where it is published."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.connect(*address)
    while not client.is_connected():
        client.loop(0.1)
    began_s = time.perf_counter()
    for one in messages:
        client.publish(one.topic, one.payload)
    last = client.publish(END_TOPIC, qos=1)
    while not last.is_published():
        client.loop(0.1)
    lasted_s = time.perf_counter() - began_s
    client.disconnect()
    return len(messages) / lasted_s


def replayed(address: Address, file: Path, qos: int, *, moved: bool = False) -> float:
    """Replay a file as the command does, each message with its recorded arrival, or with all its times moved to now."""
    plan = plan_of([file], speed="max", qos=qos, shift="now" if moved else "none", payload_times=moved)
    with Qos0Publisher(*address) if qos == 0 else Publisher(*address) as publisher:
        began_s = time.perf_counter()
        count = publish_due(Replay(plan, SystemClock()).messages(), publisher, None, threading.Event())
        return count / (time.perf_counter() - began_s)


def read_alone(file: Path) -> float:
    """Read a file and do nothing with it."""
    began_s = time.perf_counter()
    count = sum(1 for _ in read_recordings([file]))
    return count / (time.perf_counter() - began_s)


def feed(listener: socket.socket, packets: bytes) -> None:
    """Play the broker for one client after the other: everything as fast as it is read, then silence."""
    while True:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(4_096)
            connection.sendall(bytes([0x20, 3, 0, 0, 0]))
            subscribe = connection.recv(4_096)
            connection.sendall(bytes([0x90, 4, subscribe[2], subscribe[3], 0, 0]) + packets)
            while connection.recv(4_096):
                pass


@contextmanager
def feeder(messages: Sequence[RecordedMessage]) -> Iterator[Address]:
    """Yield the address of a process that sends the messages to whoever subscribes."""
    packets = b"".join(publish_packet(one.topic, one.payload) for one in messages) + publish_packet(END_TOPIC, b"")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = multiprocessing.get_context("fork").Process(target=feed, args=(listener, packets), daemon=True)
        process.start()
        try:
            yield listener.getsockname()
        finally:
            process.terminate()
            process.join()


def bare_received(address: Address, count: int) -> float:
    """Receive with paho and keep only the number."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    ended = threading.Event()
    got = 0

    def on_message(_client: mqtt.Client, _data: object, received: mqtt.MQTTMessage) -> None:
        nonlocal got
        got += 1
        if received.topic == END_TOPIC:
            ended.set()

    def on_connect(*_: object) -> None:
        client.subscribe("#")

    client.on_message = on_message
    client.on_connect = on_connect
    began_s = time.perf_counter()
    client.connect(*address)
    client.loop_start()
    if not ended.wait(PATIENCE_S) or got != count + 1:
        raise TimeoutError(f"received {got} of {count} messages")
    lasted_s = time.perf_counter() - began_s
    client.disconnect()
    client.loop_stop()
    return count / lasted_s


def recorded(address: Address, count: int, folder: Path) -> float:
    """Record until the last message has come, and all of it is on the disk."""
    ended = False
    with RecordingFiles(FileRules(folder, f"run-{time.monotonic_ns()}"), SystemClock()) as files:
        began_s = time.perf_counter()
        with RecordingThread(files) as thread:

            def take(batch: list[RecordedMessage]) -> None:
                nonlocal ended
                thread.put(batch)
                ended = batch[-1].topic == END_TOPIC

            settings = MqttSettings(host=address[0], port=address[1])
            Listener(settings, Wanted(("#",)), take, SystemClock(), lambda: None).run(lambda: ended)
        files.flush()
        lasted_s = time.perf_counter() - began_s
    if files.messages != count + 1:
        raise TimeoutError(f"recorded {files.messages} of {count} messages")
    return count / lasted_s


def write_both_forms(messages: Sequence[RecordedMessage], folder: Path) -> tuple[Path, Path]:
    """Return a recording of the messages, and the same as text."""
    with RecordingFiles(FileRules(folder), SystemClock()) as files:
        for at in range(0, len(messages), 1_000):
            files.add(messages[at : at + 1_000])
    text = folder / "feed.txt"
    with text.open("wb") as file:
        for one in messages:
            file.write(b"%s %s %s\n" % (one.received_at.isoformat().encode(), one.topic.encode(), one.payload))
    return recordings_in(folder, "feed")[0], text


def figures(rates: dict[str, list[float]]) -> dict[str, float]:
    """Return the medians of the rates, and of the ratios within each run."""
    bare = [max(pair) for pair in zip(rates["bare_threaded_per_s"], rates["bare_alone_per_s"], strict=True)]
    ratios = [one / other for one, other in zip(rates["replay_per_s"], bare, strict=True)]
    record_ratios = [one / other for one, other in zip(rates["record_per_s"], rates["bare_receive_per_s"], strict=True)]
    return {
        **{way: round(statistics.median(found)) for way, found in rates.items()},
        "bare_client_per_s": round(statistics.median(bare)),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_lowest": round(min(ratios), 2),
        "record_ratio": round(statistics.median(record_ratios), 2),
    }


def main(count: int, runs: int) -> None:
    """Measure and print."""
    messages = [message(number) for number in range(count)]
    folder = Path(tempfile.mkdtemp(prefix="cityvigil-benchmark-"))
    try:
        packed, text = write_both_forms(messages, folder)
        with any_broker(folder) as (name, address), feeder(messages) as source:
            ways: dict[str, Callable[[], float]] = {
                "replay_per_s": lambda: replayed(address, packed, 0),
                "bare_threaded_per_s": lambda: bare_threaded(address, messages),
                "bare_alone_per_s": lambda: bare_alone(address, messages),
                "replay_text_per_s": lambda: replayed(address, text, 0),
                "replay_qos1_per_s": lambda: replayed(address, packed, 1),
                "replay_moved_per_s": lambda: replayed(address, packed, 0, moved=True),
                "read_per_s": lambda: read_alone(packed),
                "record_per_s": lambda: recorded(source, count, folder),
                "bare_receive_per_s": lambda: bare_received(source, count),
            }
            rates: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(runs):
                for way, run in ways.items():
                    rates[way].append(run())
        result = {
            "broker": name,
            "messages": count,
            "payload_bytes": PAYLOAD_BYTES,
            "runs": runs,
            **figures(rates),
            "packed_bytes_per_message": round(packed.stat().st_size / count, 1),
            "text_bytes_per_message": round(text.stat().st_size / count, 1),
        }
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], "40000", "5")[:2]))
