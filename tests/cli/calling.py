"""Calling the command as a user does: as a process of its own, with nothing set but what is named."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.paths import REPO

PATIENCE_S = 120.0


def argv(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]


def environment(data_dir: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command; settings are named without their prefix."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CITYVIGIL_")}
    ours = {f"CITYVIGIL_{name}": value for name, value in settings.items()}
    # A terminal that is wide enough for every message to stay on its line.
    return {**plain, "CITYVIGIL_DATA_DIR": str(data_dir), **ours, "PYTHONPATH": str(REPO), "COLUMNS": "200"}


def call(
    arguments: Sequence[str], data_dir: Path, settings: Mapping[str, str] | None = None, stdin: bytes = b""
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; its standard output and error come as text."""
    done = subprocess.run(
        argv(*arguments),
        env=environment(data_dir, settings or {}),
        cwd=data_dir,
        input=stdin,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
