"""A server that runs behind a guard: a child process of ours that stops it when we are gone.

The guard leads a session of its own, so that Ctrl-C in a terminal ends the services first and the server after
them. It says one line of JSON on its standard output once the server is ready, or why it is not.
"""

import fcntl
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cli.lifeline import Lifeline
from core.errors import PermanentError

_LOG_LIMIT_BYTES = 10_000_000
_TAIL_LINES = 20
_STOP_POLL_S = 0.05
_GRACE_S = 2.0
_HOLDER_STOPS_S = 60.0


class DataFolderInUseError(PermanentError):
    """Another running command uses this data folder."""


class GuardFailedError(Exception):
    """The guard's own word on why the server is not there."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A running guard, seen from the command that started it.

    Parameters
    ----------
    process
        The guard; its standard input is the lifeline.
    facts
        What it said of the server: addresses, process id.
    """

    process: subprocess.Popen[bytes]
    facts: Mapping[str, str | int]

    def stop(self, timeout_s: float) -> None:
        """Let go of the lifeline and wait until the server is down; the guard is killed after `timeout_s` seconds."""
        _close(self.process.stdin)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        finally:
            _close(self.process.stdout)


def start_guard(module: str, arguments: Sequence[str], log: Path, timeout_s: float) -> Guard:
    """Start `module` as a guard and wait until its server is ready.

    Parameters
    ----------
    module
        Module to run; it gets our process id and then `arguments`.
    log
        File that gets what the guard and its server have to say beyond the one line.
    timeout_s
        Seconds that the server may take.

    Raises
    ------
    DataFolderInUseError
        If another command uses the folder.
    GuardFailedError
        If the server did not get ready, with the end of its log.
    """
    keep_short(log)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(os.getpid()), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            start_new_session=True,
            env=_environment(),
        )
    guard = Guard(process, {})
    try:
        line = _read_line(process, timeout_s)
    except BaseException:
        guard.stop(timeout_s)
        raise
    answer: dict[str, Any] = json.loads(line or "{}")
    if "ready" not in answer:
        guard.stop(timeout_s)
        raise _error_of(answer, log)
    return Guard(process, answer["ready"])


def _environment() -> dict[str, str]:
    # -P keeps the working folder, whatever lies there, off the import path; our own root must then be named.
    root = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{inherited}" if inherited else root}


def _read_line(process: subprocess.Popen[bytes], timeout_s: float) -> bytes:
    if process.stdout is None:
        return b""
    readable, _, _ = select.select([process.stdout], [], [], timeout_s)
    return process.stdout.readline() if readable else b""


def _error_of(answer: Mapping[str, Any], log: Path) -> Exception:
    if "in_use" in answer:
        return DataFolderInUseError(answer["in_use"])
    reason = answer.get("failed", "its guard ended, or said nothing in time")
    return GuardFailedError(f"{reason}; the end of {log}:\n{tail(log)}")


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()


def keep_short(log: Path) -> None:
    """Set a log aside as its `.1` once it is past 10 MB."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def tail(log: Path) -> str:
    """Return the last 20 lines of a log, or an empty text when there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-_TAIL_LINES:])


def say(**answer: object) -> None:
    """Tell the command that started this guard, in one line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


@contextmanager
def sole_use(folder: Path, lifeline: Lifeline) -> Iterator[Callable[[], None]]:
    """Hold a data folder for this guard alone.

    A guard whose command was killed may still be stopping its server: that one is waited for. A guard whose
    command lives is not.

    Yields
    ------
    Callable[[], None]
        To be called when this guard begins to stop.

    Raises
    ------
    DataFolderInUseError
        If another guard keeps the folder.
    """
    with (folder / "lock").open("a+") as lock:
        if not _obtain(lock, lifeline):
            raise DataFolderInUseError(f"{folder} is in use by another running command")
        _write(lock, "running")
        yield lambda: _write(lock, "stopping")


def _obtain(lock: IO[str], lifeline: Lifeline) -> bool:
    started_s = time.monotonic()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            patience_s = _HOLDER_STOPS_S if lock.read() == "stopping" else _GRACE_S
            if time.monotonic() - started_s > patience_s or lifeline.wait(_STOP_POLL_S):
                return False
        else:
            return True


def _write(lock: IO[str], state: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(state)
    lock.flush()
