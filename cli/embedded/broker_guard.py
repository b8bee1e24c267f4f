"""Runs the embedded broker, in this process, until the command that wants it is gone.

Arguments: process id of that command, data folder, port (0: a free one).
"""

import logging
import os
import socket
import sys
import threading
from pathlib import Path

import psutil

from cli.embedded.guarded import DataFolderInUseError, GuardFailedError, say, sole_use
from cli.lifeline import Lifeline

_HOST = "127.0.0.1"
_PROBE_EVERY_S = 1.0
_PROBE_PATIENCE_S = 20.0
_PROBE = bytes.fromhex("101c 0004 4d515454 05 02 003c 00 000f") + b"cityvigil-guard"
"""CONNECT of MQTT 5 (OASIS, 3.1): clean start, keep-alive 60 s, no properties, a client identifier of 15 bytes."""

_CONNACK = 0x20
_READY_POLL_S = 0.02
_START_S = 10.0
_ATTEMPTS = 5
"""Another process may take the port that was free a moment ago."""

CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = 1000
# Packets that one subscription of QoS 0 is sent at a time; retained messages beyond it are left out.
max_outgoing_packet_count = 10000
# Each topic filter keeps a log of its own, in memory: payloads of size times count at most, which take about twice
# that; past it the oldest goes.
max_segment_size = 4194304
max_segment_count = 32

[v5.1]
name = "v5"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 16777216
max_inflight_count = 1000
# Not every topic that is published to becomes a filter with a log of its own.
dynamic_filters = false
"""
"""What rumqttd reads. A fixed number of messages (100) is in flight per connection, whatever is set."""


def main(arguments: list[str]) -> int:
    """Start, wait, stop; return the exit status."""
    # rumqttd reports every packet as an error, since its spans have that level.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    lifeline = Lifeline(int(arguments[0]))
    data_dir = Path(arguments[1])
    try:
        with sole_use(data_dir, lifeline):
            return _serve(data_dir, int(arguments[2]), lifeline)
    except DataFolderInUseError as exc:
        say(in_use=str(exc))
    except (GuardFailedError, OSError) as exc:
        say(failed=str(exc))
    return 1


def _serve(data_dir: Path, wanted_port: int, lifeline: Lifeline) -> int:
    port = _start(data_dir, wanted_port, lifeline)
    say(ready={"host": _HOST, "port": port})
    while not lifeline.wait(_PROBE_EVERY_S):
        if not _answers(port):
            sys.stderr.write("the broker no longer answers\n")
            return 1
    return 0


def _answers(port: int) -> bool:
    """Return whether the broker takes a session: a thread of rumqttd may die and leave its port open."""
    try:
        with socket.create_connection((_HOST, port), _PROBE_PATIENCE_S) as probe:
            probe.sendall(_PROBE)
            return probe.recv(1)[:1] == bytes([_CONNACK])
    except OSError:
        return False


def _start(data_dir: Path, wanted_port: int, lifeline: Lifeline) -> int:
    for _ in range(1 if wanted_port else _ATTEMPTS):
        port = wanted_port or _free_port()
        configuration = data_dir / "rumqttd.toml"
        configuration.write_text(CONFIGURATION.format(host=_HOST, port=port), "utf-8")
        thread = threading.Thread(target=_run, args=(configuration,), name="broker", daemon=True)
        thread.start()
        if _listens(port, thread, lifeline):
            return port
    raise GuardFailedError(f"the broker could not listen on {_HOST}:{wanted_port or 'any port'}")


def _run(configuration: Path) -> None:
    from iotcore import IotCoreBroker

    native = IotCoreBroker(config_path=str(configuration))
    native.check_ports()
    native.run_forever()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int, thread: threading.Thread, lifeline: Lifeline) -> bool:
    """Wait until this very process, not another that took the port, listens on it."""
    own = psutil.Process()
    for _ in range(round(_START_S / _READY_POLL_S)):
        sockets = own.net_connections("tcp4")
        if any(entry.status == psutil.CONN_LISTEN and entry.laddr.port == port for entry in sockets):
            return True
        if lifeline.wait(_READY_POLL_S) or not thread.is_alive():
            return False
    return False


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # rumqttd has no way to be told to stop, and its threads would keep a plain exit waiting.
    sys.stdout.flush()
    os._exit(status)
