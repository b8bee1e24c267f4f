"""Messages that could not be taken, in a form that the store can keep and people may see."""

import hashlib
import re

from core.message import Message, Rejected, RejectReason
from store.batches import DeadLetterRow

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SHOWN_CHARACTERS = 1_000


def masked(topic: str) -> str:
    """Return a topic as logs, metrics and tables may show it; the only place where secrets in topics are hidden.

    None of the formats that we read so far puts a secret into its topics.
    """
    return topic


def storable(text: str) -> str:
    """Return text without what PostgreSQL's text cannot hold: U+0000 and halves of surrogate pairs."""
    return _UNSTORABLE.sub("\ufffd", text)


def digest_of(message: Message) -> bytes:
    """Return what recognises a message when it comes again: same topic, same bytes, same digest."""
    topic = message.topic.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(topic + b"\0" + message.payload, digest_size=16).digest()


def dead_letter(feed: str, message: Message, rejected: Rejected) -> DeadLetterRow:
    """Return the row that keeps the message with its reason.

    An unknown device is no fault of the message: it waits in quarantine until the registry knows the device.
    """
    return DeadLetterRow(
        feed=feed,
        state="quarantined" if rejected.reason is RejectReason.UNKNOWN_DEVICE else "rejected",
        reason=rejected.reason.value,
        detail=storable(rejected.detail)[:_SHOWN_CHARACTERS],
        topic=storable(masked(message.topic)),
        payload=message.payload,
        retained=message.retained,
        received_at=message.received_at,
    )
