"""Where messages wait between the thread that reads the socket and the one that commits."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from core.message import Message

MAX_BYTES = 64 * 1024 * 1024
"""Payload bytes that wait at most, whatever number of messages they make."""
MAX_BATCH_BYTES = 16 * 1024 * 1024
"""Payload bytes that are taken at once; one message more at most."""


class Acknowledger(Protocol):
    """One network connection, as far as whoever commits sees it."""

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Tell the broker that it may forget these messages; nothing happens once the connection has ended."""
        ...


class Delivery(NamedTuple):
    """A message, and who is to be told when it is safe.

    Attributes
    ----------
    message
        What was delivered.
    connection
        The connection that it came by; its packet id means nothing on any other. None for QoS 0.
    packet_id
        MQTT's packet identifier; 0 for QoS 0.
    """

    message: Message
    connection: Acknowledger | None
    packet_id: int


class Inbox:
    """A bounded queue from one thread that puts to one that takes.

    Parameters
    ----------
    max_messages
        Messages that wait at most.
    max_bytes
        Payload bytes that wait at most; a single message may exceed it.
    """

    def __init__(self, max_messages: int, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._waiting: deque[Delivery] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._filled = threading.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def has_room(self) -> bool:
        """Tell whether one more message may be put. Asked by the putting thread, a yes stays true until it puts."""
        return len(self._waiting) < self._max_messages and self._bytes < self._max_bytes

    def put(self, delivery: Delivery) -> None:
        """Add a message; never waits.

        Whoever puts asks for room first, and leaves its socket unread while there is none.
        """
        with self._lock:
            self._waiting.append(delivery)
            self._bytes += len(delivery.message.payload)
        if not self._filled.is_set():
            self._filled.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until something is there, `timeout_s` seconds at most, and tell whether there is."""
        return self._filled.wait(timeout_s)

    def gather(self, max_messages: int, flush_after_s: float, calm_s: float) -> list[Delivery]:
        """Take what belongs into one transaction, in order of arrival.

        Waits until there are `max_messages`, or until `flush_after_s` seconds have passed, or until nothing has come
        for `calm_s` seconds: then nobody gains by waiting, and a broker that has sent all that it may without an
        acknowledgement would wait for us.
        """
        deadline_s = time.monotonic() + flush_after_s
        count = -1
        while count < len(self._waiting) < max_messages and self.has_room() and time.monotonic() < deadline_s:
            count = len(self._waiting)
            time.sleep(calm_s)
        return self._take(max_messages)

    def _take(self, max_messages: int) -> list[Delivery]:
        taken: list[Delivery] = []
        size = 0
        with self._lock:
            while self._waiting and len(taken) < max_messages and size < MAX_BATCH_BYTES:
                delivery = self._waiting.popleft()
                size += len(delivery.message.payload)
                taken.append(delivery)
            self._bytes -= size
            if not self._waiting:
                self._filled.clear()
        return taken
