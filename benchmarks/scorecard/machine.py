"""Where and on what the figures were made."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]
_JUDGING = ("detectors", "engine", "core", "cli")
"""Folders whose code the figures depend on."""
_LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "pyod", "prophet")


@dataclass(frozen=True, slots=True)
class Made:
    """How a page was made.

    Attributes
    ----------
    at
        When, UTC.
    commit
        The project's, short; empty where it is not known.
    changed
        Whether code that judges differs from that commit.
    digest
        Of that code.
    """

    at: datetime
    commit: str
    changed: bool
    digest: str = ""

    @property
    def code(self) -> str:
        """The code's version, in words."""
        if not self.commit:
            return "commit unknown"
        return f"commit {self.commit}{' with uncommitted changes' if self.changed else ''}"


def made(at: datetime) -> Made:
    """Return how a page is made that is begun now."""
    commit = _git("rev-parse", "--short", "HEAD")
    return Made(at, commit, bool(commit and _git("status", "--porcelain", "--", *_JUDGING)), code_digest())


def code_digest() -> str:
    """Return a digest of the code that judges as it is now."""
    digest = hashlib.sha256()
    for folder in _JUDGING:
        for path in sorted((_PROJECT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def machine() -> str:
    """Return the machine, in words."""
    return f"{os.cpu_count() or 1} cores, {_processor()}, {platform.system()}"


def versions() -> str:
    """Return Python and the main libraries, with their versions."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return f"Python {platform.python_version()}, {libraries}"


def _processor() -> str:
    try:
        named = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        named = None
    return named[1].strip() if named else platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    program = shutil.which("git")
    if program is None:
        return ""
    done = subprocess.run(  # noqa: S603 - git, with words of ours
        [program, "-C", str(_PROJECT), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""
