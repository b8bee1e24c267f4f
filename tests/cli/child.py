"""A child for the supervisor's tests. Arguments: folder, name, and how to behave.

It notes in the folder's `events` when it is ready and when it is told to stop.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.lifeline import watch_lifeline


def argv(folder: Path, name: str, behaviour: str = "obey") -> Sequence[str]:
    return [sys.executable, "-m", "tests.cli.child", str(folder), name, behaviour]


def events(folder: Path) -> list[str]:
    path = folder / "events"
    return path.read_text().splitlines() if path.exists() else []


def note(folder: Path, event: str) -> None:
    # One write to a file opened for appending does not mix with another process's.
    with (folder / "events").open("a") as sink:
        sink.write(event + "\n")


def main(folder: Path, name: str, behaviour: str) -> None:
    def stop(_signum: int, _frame: object) -> None:
        note(folder, f"{name} told")
        if behaviour != "defy":
            note(folder, f"{name} gone")
            sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    watch_lifeline(grace_s=0.2)
    if behaviour == "defy":
        own = subprocess.Popen(["sleep", "600"])
        note(folder, f"{name} started {own.pid}")
    note(folder, f"{name} ready")
    if behaviour == "fail":
        sys.stderr.write("no such thing\n")
        sys.exit(3)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
