"""How a child process notices that its parent is gone, whatever ended the parent.

The parent holds the write end of a pipe that it never writes to; the kernel closes it with the parent, kill -9
included, and the child reads end of file.
"""

import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Collection, MutableMapping
from types import FrameType

VARIABLE = "VIGIL_LIFELINE"
"""Carries the inherited read end and the supervisor's process id; without the settings' prefix, under which
unknown names are refused."""

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_S = 1.0
_GRACE_S = 30.0


def die_with_parent(signum: signal.Signals) -> None:
    """Ask the kernel to send `signum` to this process when the thread that started it ends; Linux only.

    See prctl(2), PR_SET_PDEATHSIG. Elsewhere nothing happens, and the lifeline alone does the work.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)


def watch_lifeline(
    environment: MutableMapping[str, str] | None = None, grace_s: float = _GRACE_S
) -> threading.Thread | None:
    """End this process as soon as its supervisor is gone: by SIGTERM, then by SIGKILL; call it once, at the start.

    Parameters
    ----------
    environment
        Where the supervisor left its word; the entry is removed, since grandchildren do not inherit the pipe.
        None means the process's own.
    grace_s
        Seconds between SIGTERM and SIGKILL.

    Returns
    -------
    threading.Thread | None
        The daemon thread that watches, or None when no supervisor started this process.
    """
    environment = os.environ if environment is None else environment
    word = environment.pop(VARIABLE, None)
    if word is None:
        return None
    fd, parent_pid = (int(number) for number in word.split(":"))
    os.set_inheritable(fd, False)
    watcher = threading.Thread(target=_outlive, args=(fd, parent_pid, grace_s), name="lifeline", daemon=True)
    watcher.start()
    return watcher


def _outlive(fd: int, parent_pid: int, grace_s: float) -> None:
    while not is_cut(fd, parent_pid, select.select([fd], [], [], _PARENT_CHECK_S)[0]):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os.kill(os.getpid(), signal.SIGKILL)


def is_cut(fd: int, parent_pid: int, readable: Collection[int]) -> bool:
    """Return whether the parent is gone, given which descriptors can be read.

    A fork of the parent may keep the pipe open after the parent's death; the changed parent still shows it.
    """
    return (fd in readable and not os.read(fd, 4096)) or os.getppid() != parent_pid


class Lifeline:
    """The end of the pipe that a guard holds as its standard input; for a process that does nothing but wait.

    It takes over SIGTERM, SIGINT, SIGHUP and SIGCHLD of the process: the first tells the guard to stop, the
    second and third are the terminal's and not meant for it, the last only wakes it.

    Parameters
    ----------
    parent_pid
        Process that started the guard.
    fd
        Read end of the pipe.
    """

    def __init__(self, parent_pid: int, fd: int = 0) -> None:
        self._parent_pid = parent_pid
        self._fd = fd
        self._is_cut = False
        self._wake_fd, write_fd = os.pipe()
        os.set_blocking(self._wake_fd, False)
        os.set_blocking(write_fd, False)
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._cut)
        signal.signal(signal.SIGCHLD, _only_wake)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def wait(self, timeout_s: float) -> bool:
        """Wait until the lifeline is cut, a child ends, or `timeout_s` seconds are over.

        Returns
        -------
        bool
            Whether the lifeline is cut: the parent is gone, closed the pipe, or sent SIGTERM.
        """
        if self._is_cut:
            return True
        readable, _, _ = select.select([self._fd, self._wake_fd], [], [], min(timeout_s, _PARENT_CHECK_S))
        if self._wake_fd in readable:
            os.read(self._wake_fd, 4096)
        if is_cut(self._fd, self._parent_pid, readable):
            self._is_cut = True
        return self._is_cut

    def _cut(self, _signum: int, _frame: FrameType | None) -> None:
        self._is_cut = True


def _only_wake(_signum: int, _frame: FrameType | None) -> None:
    pass
