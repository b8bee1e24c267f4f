"""What was solved once is kept: in memory, bounded, and in a folder if there is one."""

import hashlib
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from simulators.noise import FloatArray
from simulators.waterworks.epanet import wntr_version

_FORMAT = 1
"""Grows when what is solved changes, so that an old folder is not believed."""


class Solved:
    """Arrays by what they are solved from.

    Parameters
    ----------
    folder
        Where they outlive the process, made when first needed; None means in memory only. Several processes may
        share it. A file that cannot be read is solved again.
    entries
        How many arrays stay in memory.
    """

    def __init__(self, folder: Path | None, entries: int) -> None:
        self._folder = folder
        self._entries = entries
        self._kept: OrderedDict[str, FloatArray] = OrderedDict()
        self._lock = threading.Lock()  # not held while solving: two threads may solve the same, to the same bytes

    def get(self, of: str, solve: Callable[[], FloatArray]) -> FloatArray:
        """Return the array that is solved from what `of` says, solving it if it is not known; read-only."""
        found = self._known(of)
        if found is not None:
            return found
        path = self._path(of)
        found = None if path is None else _read(path)
        if found is None:
            found = solve()
            if path is not None:
                _write(path, found)
        found.flags.writeable = False
        with self._lock:
            self._kept[of] = found
            if len(self._kept) > self._entries:
                self._kept.popitem(last=False)
        return found

    def _known(self, of: str) -> FloatArray | None:
        with self._lock:
            if of in self._kept:
                self._kept.move_to_end(of)
            return self._kept.get(of)

    def _path(self, of: str) -> Path | None:
        if self._folder is None:
            return None
        named = hashlib.sha256(f"{_FORMAT}/{wntr_version()}/{of}".encode()).hexdigest()
        return self._folder / named[:2] / f"{named[2:34]}.npy"


def _read(path: Path) -> FloatArray | None:
    try:
        found: FloatArray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found


def _write(path: Path, values: FloatArray) -> None:
    """Write whole or not at all: another process may read at the same time, or this one be killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        np.save(file, values, allow_pickle=False)
    Path(name).replace(path)
