"""What is running in a data folder, so that a second command finds the first one's database and broker."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

_FILE = "running.json"


@contextmanager
def announced(data_dir: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Tell other commands how to reach what runs here, for as long as the block lasts.

    Parameters
    ----------
    environment
        Settings that a command needs to work with what runs here; readable by this account only.
    """
    path = data_dir / _FILE
    text = json.dumps({"pid": os.getpid(), "started": _started(os.getpid()), "environment": dict(environment)})
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running_environment(data_dir: Path) -> dict[str, str]:
    """Return the settings of what runs in a data folder; empty if nothing does."""
    try:
        record = json.loads((data_dir / _FILE).read_text(encoding="utf-8"))
        alive = _started(int(record["pid"])) == record["started"]
        return {str(k): str(v) for k, v in record["environment"].items()} if alive else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _started(pid: int) -> float | None:
    # The start time tells a process from a later one that was given the same number.
    try:
        return round(psutil.Process(pid).create_time(), 2)
    except psutil.Error:
        return None
