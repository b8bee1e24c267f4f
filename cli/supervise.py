"""Runs City Vigil's services as child processes of one command, and lets none of them outlive it."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cli.embedded.guarded import keep_short, tail
from cli.lifeline import VARIABLE
from core.errors import PermanentError

_STOP_S = 20.0


class ChildEndedError(PermanentError):
    """A service ended that was to keep running.

    Parameters
    ----------
    statuses
        Exit status by name of service; the negative number of a signal where one ended it.
    details
        The same in words, with the end of each log.
    """

    def __init__(self, statuses: Mapping[str, int], details: str) -> None:
        self.statuses = dict(statuses)
        super().__init__(details)


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path | None


class Supervisor:
    """Starts services, notices when one ends, and stops them in the reverse of the order they were started in.

    Each child leads a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone and the order
    holds. A child that calls `cli.lifeline.watch_lifeline` at its start also ends when the supervisor is killed.

    Parameters
    ----------
    log_dir
        Folder for `<name>.log`, one per child; None lets them write where this process does.
    stop_timeout_s
        Seconds that each child may take to end after SIGTERM; then it is killed, with what it started.
    """

    def __init__(self, log_dir: Path | None = None, stop_timeout_s: float = _STOP_S) -> None:
        self._log_dir = log_dir
        self._stop_timeout_s = stop_timeout_s
        self._children: list[_Child] = []
        self._lifeline: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        self._lifeline = os.pipe()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            # Unwound even when a second Ctrl-C breaks the orderly stop off.
            stack.callback(self._let_go)
            for child in self._children:
                stack.callback(self._kill, child)
            self.stop()

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> int:
        """Start a child.

        Parameters
        ----------
        name
            What to call it in messages and its log file.
        argv
            Program and arguments.
        env
            Its whole environment; None means ours.

        Returns
        -------
        int
            Its process id.

        Raises
        ------
        RuntimeError
            Outside the `with` block.
        ValueError
            If a child of that name was started before.
        """
        if self._lifeline is None:
            raise RuntimeError("a supervisor starts children only inside its with block")
        if any(child.name == name for child in self._children):
            raise ValueError(f"{name} was started before")
        read_fd = self._lifeline[0]
        environment = {**(os.environ if env is None else env), VARIABLE: f"{read_fd}:{os.getpid()}"}
        log = self._log_of(name)
        with ExitStack() as stack:
            sink = None if log is None else stack.enter_context(log.open("ab"))
            process = subprocess.Popen(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                pass_fds=(read_fd,),
                start_new_session=True,
            )
        self._children.append(_Child(name, process, log))
        return process.pid

    def ended(self) -> dict[str, int]:
        """Return the exit status, by name, of every child that has ended on its own."""
        statuses = {child.name: child.process.poll() for child in self._children}
        return {name: status for name, status in statuses.items() if status is not None}

    def check(self) -> None:
        """Say so if a child has ended on its own.

        Raises
        ------
        ChildEndedError
            Naming each one, with its exit status and the end of its log.
        """
        statuses = self.ended()
        if statuses:
            logs = {child.name: child.log for child in self._children}
            sentences = [_describe(name, status, logs[name]) for name, status in statuses.items()]
            raise ChildEndedError(statuses, "\n".join(sentences))

    def stop(self) -> None:
        """Stop all children, the last started first, each before the one before it."""
        while self._children:
            child = self._children[-1]
            if child.process.poll() is None:
                child.process.terminate()
                self._wait(child)
            self._children.pop()

    def _wait(self, child: _Child) -> None:
        try:
            child.process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            self._kill(child)

    @staticmethod
    def _kill(child: _Child) -> None:
        if child.process.poll() is None:
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()

    def _let_go(self) -> None:
        lifeline, self._lifeline = self._lifeline, None
        for fd in lifeline or ():
            os.close(fd)

    def _log_of(self, name: str) -> Path | None:
        if self._log_dir is None:
            return None
        self._log_dir.mkdir(parents=True, exist_ok=True)
        log = self._log_dir / f"{name}.log"
        keep_short(log)
        return log


def _describe(name: str, status: int, log: Path | None) -> str:
    how = f"with status {status}" if status >= 0 else f"by signal {-status} ({signal.strsignal(-status)})"
    sentence = f"{name} ended {how}"
    return sentence if log is None else f"{sentence}; the end of {log}:\n{tail(log)}"
