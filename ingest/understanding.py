"""What each message of a batch says, and which of them came before. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from core.message import Decoded, Message, Rejected
from core.settings import IngestSettings
from ingest.decoders import decode_message
from ingest.letters import digest_of
from ingest.window import check_window


class Understood(NamedTuple):
    """A message and what it says.

    Attributes
    ----------
    message
        As it arrived; one that came before has its first arrival time.
    said
        Its content, or why it has none that we could take.
    kept
        True when it is a dead letter already.
    """

    message: Message
    said: Decoded | Rejected
    kept: bool = False

    @property
    def stale(self) -> bool:
        """Whether the broker kept the message and it does not say since when: it is not news, and has no time."""
        return self.message.retained and isinstance(self.said, Decoded) and not self.said.own_time


def understand(messages: Iterable[Message], settings: IngestSettings) -> list[Understood]:
    """Read each message, and refuse those whose times cannot be; in the order given."""
    back, ahead = timedelta(days=settings.window_back_days), timedelta(seconds=settings.window_ahead_s)
    understood = []
    for message in messages:
        said = decode_message(message, settings.max_payload_bytes)
        if isinstance(said, Decoded):
            said = check_window(said, message.received_at, back, ahead) or said
        understood.append(Understood(message, said))
    return understood


def repeatable(understood: Iterable[Understood]) -> list[bytes]:
    """Return the digests of those messages that may have come before and cannot be told by their event times."""
    return [digest_of(u.message) for u in understood if _needs_memory(u) and _may_repeat(u.message)]


def _needs_memory(understood: Understood) -> bool:
    if isinstance(understood.said, Rejected):
        return True
    return not understood.said.own_time and not understood.stale


def _may_repeat(message: Message) -> bool:
    return message.duplicate or message.retained


def recognise(
    understood: Iterable[Understood], first_arrivals: Mapping[bytes, datetime], settings: IngestSettings
) -> tuple[list[Understood], dict[bytes, datetime]]:
    """Find messages that came before, in the store or in this very batch.

    A message without a time of its own that comes again is read again with its first arrival time, so its readings
    get the keys that they had. One that is a dead letter already is not to be kept twice.

    Parameters
    ----------
    first_arrivals
        When the messages of `repeatable` came before, for those that did.

    Returns
    -------
    The messages in the order given, and the arrivals to be remembered, by digest.
    """
    window = timedelta(seconds=settings.redelivery_window_s)
    known, arrivals = dict(first_arrivals), dict[bytes, datetime]()
    recognised: list[Understood] = []
    for item in understood:
        if not _needs_memory(item):
            recognised.append(item)
            continue
        digest = digest_of(item.message)
        first = known.get(digest) if _may_repeat(item.message) else None
        if first is None or item.message.received_at - first > window:
            known[digest] = arrivals[digest] = item.message.received_at
            recognised.append(item)
        elif isinstance(item.said, Rejected):
            recognised.append(item._replace(kept=True))
        else:
            recognised.extend(understand([replace(item.message, received_at=first)], settings))
    return recognised, arrivals
