"""The files that a recorder writes: blocks that survive a kill, another file when one is full, the oldest removed."""

import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from core.clock import Clock
from core.errors import InputFileError
from simulators.recorded_blocks import pack_block
from simulators.recording import RecordedMessage, to_lines

BLOCK_BYTES = 1_048_576
"""Unpacked bytes after which a block is written, whatever its age; longer ones pack no better."""

_SUFFIX = ".cvrec.gz"
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_LEVEL = 3  # level 6 makes files a quarter smaller and takes 7 % more processor time for each message


@dataclass(frozen=True, slots=True)
class FileRules:
    """Where a recording goes, and when it goes on in another file.

    Attributes
    ----------
    folder
        Made if need be.
    prefix
        Begins each file's name; the UTC time at which the file was begun follows.
    max_bytes
        A file that has grown so large is followed by another one; the last block may exceed it.
    max_age_s
        Likewise for a file that is so old, in real time.
    max_files
        The oldest files of this prefix in the folder are removed, so that so many are left; None removes none.
    flush_s
        Real seconds after which what has been received is written, however little it is.
    """

    folder: Path
    prefix: str = "feed"
    max_bytes: int = 100_000_000
    max_age_s: float = 3_600.0
    max_files: int | None = None
    flush_s: float = 5.0


class RecordingFiles:
    """Writes messages in blocks; a context manager that writes the rest at its end.

    Each block is a whole member of gzip and is forced to the disk, so that nothing that comes later can harm it.

    Parameters
    ----------
    rules
        Where to, how large a file gets, and how long a message may wait.
    clock
        Tells the time for the files' names.
    seconds
        Tells ages, in seconds since any moment.
    """

    def __init__(self, rules: FileRules, clock: Clock, seconds: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._seconds = seconds
        self._files = _Rotation(rules, clock, seconds)
        self._lines: list[bytes] = []
        self._waiting = self._waiting_bytes = 0
        self._since_s: float | None = None
        self.messages = 0

    @property
    def files(self) -> int:
        """Files begun so far."""
        return self._files.begun

    @property
    def packed_bytes(self) -> int:
        """Bytes written so far."""
        return self._files.written

    def __enter__(self) -> Self:
        """Make sure that the folder can be written to.

        Raises
        ------
        InputFileError
            If it cannot.
        """
        try:
            self._rules.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._rules.folder):
                return self
        except OSError as exc:
            raise _no_writing(self._rules.folder, exc) from exc

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits, unless writing has failed, and close the file."""
        try:
            if not isinstance(error, InputFileError):
                self.flush()
        finally:
            self._files.close()

    def add(self, messages: Sequence[RecordedMessage]) -> None:
        """Take messages; a full block is written at once.

        Raises
        ------
        InputFileError
            If the disk does not take it.
        """
        if not messages:
            return
        lines = to_lines(messages)
        self._since_s = self._seconds() if self._since_s is None else self._since_s
        self._lines.append(lines)
        self._waiting_bytes += len(lines)
        self._waiting += len(messages)
        if self._waiting_bytes >= BLOCK_BYTES:
            self.flush()

    def due_in_s(self) -> float:
        """Return the seconds until what waits is due to be written; the whole interval when nothing waits."""
        if self._since_s is None:
            return self._rules.flush_s
        return max(self._since_s + self._rules.flush_s - self._seconds(), 0.0)

    def flush(self) -> None:
        """Write what waits as one block.

        Raises
        ------
        InputFileError
            If the disk does not take it; then nothing of the block stays in the file.
        """
        if not self._lines:
            return
        self._files.write(pack_block(b"".join(self._lines), _LEVEL))
        self.messages += self._waiting
        self._lines, self._waiting_bytes, self._waiting, self._since_s = [], 0, 0, None


class _Rotation:
    """The file that is written to, and the change to the next one."""

    def __init__(self, rules: FileRules, clock: Clock, seconds: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._seconds = seconds
        self._file: FileIO | None = None
        self._path = rules.folder
        self._begun_at_s = 0.0
        self._size = 0
        self.begun = 0
        self.written = 0

    def write(self, block: bytes) -> None:
        """Append a block, to the next file if this one is full."""
        try:
            file = self._current()
            view = memoryview(block)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        except OSError as exc:
            self._take_back()
            raise _no_writing(self._path, exc) from exc
        self._size += len(block)
        self.written += len(block)

    def close(self) -> None:
        """Close the file, if one is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _current(self) -> FileIO:
        if self._file is None or self._is_full():
            self.close()
            self._file = self._next_file()
            self._begun_at_s, self._size = self._seconds(), 0
            self.begun += 1
            self._remove_oldest()
        return self._file

    def _is_full(self) -> bool:
        age_s = self._seconds() - self._begun_at_s
        return self._size >= self._rules.max_bytes or age_s >= self._rules.max_age_s

    def _next_file(self) -> FileIO:
        begun_at = self._clock.now().astimezone(UTC)
        while True:
            self._path = self._rules.folder / f"{self._rules.prefix}-{begun_at:{_STAMP}}{_SUFFIX}"
            try:
                return FileIO(self._path, "xb")
            except FileExistsError:
                begun_at += timedelta(microseconds=1)

    def _remove_oldest(self) -> None:
        if self._rules.max_files is None:
            return
        # Not the one just begun, whatever the clock has named it.
        others = [path for path in recordings_in(self._rules.folder, self._rules.prefix) if path != self._path]
        for path in others[: max(len(others) + 1 - self._rules.max_files, 0)]:
            path.unlink(missing_ok=True)

    def _take_back(self) -> None:
        # So that the file ends with a whole block. Where the disk fails altogether, readers know what to do.
        if self._file is None:
            return
        try:
            self._file.truncate(self._size)
            if self._size == 0:
                self._path.unlink(missing_ok=True)
        except OSError:
            return


def recordings_in(folder: Path, prefix: str) -> list[Path]:
    """Return the recordings of exactly this prefix in a folder, by the time at which they were begun."""
    name = re.compile(rf"{re.escape(prefix)}-\d{{8}}T\d{{6}}\.\d{{6}}Z{re.escape(_SUFFIX)}")
    return sorted(path for path in folder.iterdir() if name.fullmatch(path.name))


def _no_writing(path: Path, exc: OSError) -> InputFileError:
    return InputFileError(str(path), None, f"cannot be written: {exc.strerror}")
