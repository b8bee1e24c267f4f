"""Writing beside reading: packing and the disk wait on a thread of their own, within bounds."""

import queue
import threading
from types import TracebackType
from typing import Self

from simulators.recorder_files import RecordingFiles
from simulators.recording import RecordedMessage

WAITING_BATCHES = 32
"""Batches that wait at most; a batch is a megabyte and one message at most, so this bounds the memory."""

_LOOK_S = 0.2


class RecordingThread:
    """Takes batches and writes them; a context manager whose end waits until all are with `files`.

    Parameters
    ----------
    files
        Entered already; used by no other thread until this one's end.
    """

    def __init__(self, files: RecordingFiles) -> None:
        self._files = files
        self._batches: queue.Queue[list[RecordedMessage] | None] = queue.Queue(WAITING_BATCHES)
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)

    @property
    def failed(self) -> bool:
        """Tell whether writing has ended by a failure, which `put` and the end raise."""
        return self._failure is not None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last batch.

        Raises
        ------
        InputFileError
            What writing raised, if that has not been raised by `put`.
        """
        while self._thread.is_alive():
            try:
                self._batches.put(None, timeout=_LOOK_S)
                break
            except queue.Full:
                continue
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def put(self, batch: list[RecordedMessage]) -> None:
        """Hand over a batch; waits while too many are waiting.

        Raises
        ------
        InputFileError
            What writing raised.
        """
        while self._failure is None:
            try:
                self._batches.put(batch, timeout=_LOOK_S)
            except queue.Full:
                continue
            return
        raise self._failure

    def _run(self) -> None:
        try:
            while (batch := self._next()) is not None:
                self._files.add(batch)
        except Exception as exc:  # noqa: BLE001 - raised on the thread that reads
            self._failure = exc

    def _next(self) -> list[RecordedMessage] | None:
        while True:
            due_in_s = self._files.due_in_s()
            if due_in_s <= 0:
                self._files.flush()
                continue
            try:
                return self._batches.get(timeout=due_in_s)
            except queue.Empty:
                self._files.flush()
