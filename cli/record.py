"""`cityvigil record`: what a broker delivers, into files that `cityvigil replay` reads."""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.clock import Clock
from core.errors import BrokerUnavailableError, CityVigilError
from core.logging import Action, log_of
from core.settings import Settings
from ingest.backoff import Backoff
from simulators.recorded_selection import TopicFilters
from simulators.recorder import Ending, Listener, Wanted
from simulators.recorder_files import FileRules, RecordingFiles
from simulators.recorder_thread import RecordingThread
from simulators.recording import RecordedMessage

_SERVICE = "record"
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 30.0


@dataclass(slots=True)
class Recorded:
    """What came of a recording.

    Attributes
    ----------
    received
        Messages that the broker delivered.
    written
        Messages that are in the files.
    unwritable
        Messages that are not, because their topics are not UTF-8.
    files, packed_bytes
        How many files were begun, and what all of them hold.
    lost
        How often the broker was lost; what came meanwhile is missing.
    """

    received: int = 0
    written: int = 0
    unwritable: int = 0
    files: int = 0
    packed_bytes: int = 0
    lost: int = 0

    def sentence(self) -> str:
        """Return all of it for people."""
        said = f"received {self.received:,} messages, wrote {self.written:,} of them"
        said += f" into {self.files:,} file{'' if self.files == 1 else 's'} of {self.packed_bytes / 1e6:,.1f} MB"
        if self.unwritable:
            said += f"; {self.unwritable:,} were left out, because their topics are not UTF-8"
        if self.lost:
            times = "once" if self.lost == 1 else f"{self.lost:,} times"
            said += f"; the broker was lost {times}, and what it got meanwhile is missing"
        return said


def rules_of(
    folder: Path, prefix: str, max_size_mb: float, max_age_min: float, max_files: int, flush_s: float
) -> FileRules:
    """Return the rules that a user asks for.

    Raises
    ------
    ValueError
        If the prefix is none for a file's name.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"'{prefix}' is no prefix: letters, digits, dots, dashes and underscores, a dot not first")
    return FileRules(folder, prefix, int(max_size_mb * 1e6), max_age_min * 60, max_files or None, flush_s)


def wanted_of(settings: Settings, topics: Sequence[str], qos: int) -> Wanted:
    """Return the subscription that a user asks for.

    Raises
    ------
    ValueError
        If a topic filter is none; it may hold a key, so its number is all that is said of it.
    """
    TopicFilters(topics)
    return Wanted(tuple(topics), qos, settings.ingest.trust_recorded_arrival)


def record(
    settings: Settings, wanted: Wanted, rules: FileRules, clock: Clock, stop: threading.Event, minutes: float = 0.0
) -> Recorded:
    """Record until told to stop.

    Parameters
    ----------
    minutes
        Real minutes after which it ends by itself; 0 means never.

    Raises
    ------
    BrokerUnavailableError
        If the broker cannot be reached at the beginning; later it is tried again.
    InputFileError
        If the folder cannot be written to, or the disk is full.
    """
    ends_at_s = time.monotonic() + minutes * 60 if minutes > 0 else float("inf")
    with RecordingFiles(rules, clock) as files:
        with RecordingThread(files) as thread:
            session = _Session(settings, wanted, thread, clock, _End(stop, thread, ends_at_s))
            session.run()
        files.flush()
    counted = session.counted
    counted.written, counted.files, counted.packed_bytes = files.messages, files.files, files.packed_bytes
    log_of(_SERVICE).info("stopped recording", Action.SERVICE_STOPPED, messages=counted.written, files=counted.files)
    return counted


class _End:
    """Tells when it is over."""

    def __init__(self, stop: threading.Event, thread: RecordingThread, ends_at_s: float) -> None:
        self._stop = stop
        self._thread = thread
        self._ends_at_s = ends_at_s

    def reached(self) -> bool:
        """Tell whether somebody wants an end, the time is up, or the disk does not take any more."""
        return self._stop.is_set() or self._thread.failed or time.monotonic() >= self._ends_at_s

    def wait(self, delay_s: float) -> None:
        """Wait so long, or until the end."""
        self._stop.wait(max(min(delay_s, self._ends_at_s - time.monotonic()), 0.0))


class _Session:
    """One connection after the other."""

    def __init__(self, settings: Settings, wanted: Wanted, thread: RecordingThread, clock: Clock, end: _End) -> None:
        self._settings = settings
        self._wanted = wanted
        self._thread = thread
        self._clock = clock
        self._end = end
        self._log = log_of(_SERVICE)
        self._backoff = Backoff(_FIRST_RETRY_S, _LAST_RETRY_S)
        self._stood = False
        self.counted = Recorded()

    def run(self) -> None:
        """Record until the end."""
        while not self._end.reached():
            # What the broker keeps is old news after a reconnect.
            wanted = self._wanted._replace(retained=not self._stood)
            listener = Listener(self._settings.mqtt, wanted, self._take, self._clock, self._ready)
            ending = self._listen(listener)
            self.counted.received += listener.unwritable
            self.counted.unwritable += listener.unwritable
            if not self._end.reached():
                self._retry(ending)

    def _listen(self, listener: Listener) -> Ending:
        try:
            return listener.run(self._end.reached)
        except CityVigilError:
            raise
        except Exception as exc:  # noqa: BLE001 - a packet that trips the client library must not end the recording
            return Ending(f"{type(exc).__name__}: {exc}", self._stood)

    def _retry(self, ending: Ending) -> None:
        mqtt = self._settings.mqtt
        if not self._stood:
            raise BrokerUnavailableError(
                f"cannot record from the MQTT broker at {mqtt.host}:{mqtt.port}: {ending.reason}"
            )
        if ending.subscribed:
            self.counted.lost += 1
            self._backoff.reset()
        delay_s = self._backoff.next_s()
        self._log.warning("lost the broker", Action.BROKER_LOST, reason=ending.reason, retry_after_s=round(delay_s, 1))
        self._end.wait(delay_s)

    def _take(self, batch: list[RecordedMessage]) -> None:
        self._thread.put(batch)
        self.counted.received += len(batch)

    def _ready(self) -> None:
        self._stood = True
        mqtt = self._settings.mqtt
        self._log.info(
            "connected to the broker",
            Action.BROKER_CONNECTED,
            host=mqtt.host,
            port=mqtt.port,
            filters=len(self._wanted.filters),
        )
