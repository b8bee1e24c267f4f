"""Runs `cityvigil evaluate` as a process of its own, one after the other: each uses all cores."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.scorecard.labelled import LabelledSet
from benchmarks.scorecard.outcome import LIVE, Outcome, Summary
from cli.evaluation.series import write_whole
from core.settings import PREFIX

_SUMMARY = "summary.json"
_LONGEST_REASON = 160


def command() -> Path:
    """Return the command that belongs to this Python."""
    return Path(sys.executable).parent / "cityvigil"


def run_one(labelled: LabelledSet, detector: str, work: Path, jobs: int, say: Callable[[str], None]) -> Outcome:
    """Evaluate a set, or what a killed run has left of it.

    Parameters
    ----------
    detector
        Its name, or `LIVE`.
    work
        Folder with one folder per set, and in it one per detector.
    jobs
        Processes; 0 means one per core.
    say
        Told each line that the command writes for people.
    """
    out = work / labelled.name / detector
    arguments = [str(command()), "evaluate", str(labelled.folder), "--out", str(out), "--jobs", str(jobs)]
    if detector != LIVE:
        arguments += ["--detectors", detector]
    watch = Stopwatch(out.with_name(f"{detector}.seconds.json"))
    status, last = _run(arguments, watch, say)
    if status:
        return Outcome(labelled.name, detector, watch.so_far(), None, _reason(status, last, labelled.folder))
    try:
        summary = msgspec.json.decode((out / _SUMMARY).read_bytes(), type=Summary)
    except (OSError, msgspec.DecodeError) as exc:
        return Outcome(labelled.name, detector, watch.so_far(), None, f"its summary cannot be read: {exc}")
    return Outcome(labelled.name, detector, watch.finish(summary.cost.series_kept, len(summary.series)), summary)


def _run(arguments: list[str], watch: "Stopwatch", say: Callable[[str], None]) -> tuple[int, str]:
    """Return status and last line of what a command says to people."""
    # The figures are those of the defaults, whatever whoever makes the page has set.
    plain = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    last = ""
    with subprocess.Popen(  # noqa: S603 - our own command
        arguments,
        env={**plain, "COLUMNS": "200"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=0,
    ) as child:
        try:
            for line in child.stderr or ():
                watch.note()
                last = line.strip() or last
                say(line.rstrip())
        except BaseException:
            # Its workers would go on without it. Whatever they have finished stays.
            os.killpg(child.pid, signal.SIGKILL)
            raise
    return child.returncode, last


def _reason(status: int, last: str, folder: Path) -> str:
    """Return why a run failed, in one line that names no folder of this machine."""
    if not last:
        return f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
    told = last.removeprefix("cityvigil: ").replace(f"{folder}{os.sep}", "").replace(str(folder), folder.name)
    return told if len(told) <= _LONGEST_REASON else f"{told[:_LONGEST_REASON]} …"


class _Noted(msgspec.Struct):
    whole: float | None = None
    begun: float = 0.0


class Stopwatch:
    """Wall time of an evaluation that may take several runs, because some were killed.

    Parameters
    ----------
    path
        File that keeps it from run to run.
    timer
        Seconds that pass.
    """

    def __init__(self, path: Path, timer: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._timer = timer
        self._started_s = timer()
        try:
            self._before = msgspec.json.decode(path.read_bytes(), type=_Noted)
        except (OSError, msgspec.DecodeError):
            self._before = _Noted()

    def so_far(self) -> float:
        """Return the seconds of this run and of those before it that were killed."""
        return self._before.begun + self._timer() - self._started_s

    def note(self) -> None:
        """Keep the time so far, should this run be killed."""
        self._write(_Noted(self._before.whole, self.so_far()))

    def finish(self, kept: int, series: int) -> float:
        """Return the seconds that the whole evaluation took, and keep them.

        Parameters
        ----------
        kept, series
            How many series earlier runs had left finished, of how many.
        """
        if kept == 0:
            whole = self._timer() - self._started_s
        elif kept == series and not self._before.begun and self._before.whole is not None:
            whole = self._before.whole
        else:
            whole = self.so_far()
        self._write(_Noted(whole))
        return whole

    def _write(self, noted: _Noted) -> None:
        write_whole(self._path, msgspec.json.encode(noted))
