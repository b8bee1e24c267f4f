"""An MQTT message as it arrived, and the three things that decoding can make of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.asset import Asset
from core.event import DecodedEvent
from core.reading import DecodedReading


@dataclass(frozen=True, slots=True)
class Message:
    """One message, free of any client library's types.

    Attributes
    ----------
    topic
        As published.
    payload
        The bytes as they came.
    received_at
        Arrival time in UTC, or the recorded arrival that a replay states.
    retained
        True when the broker sent it from its memory: it says nothing about now.
    duplicate
        True when the broker says that it may have delivered it before (MQTT's DUP flag).
    """

    topic: str
    payload: bytes
    received_at: datetime
    retained: bool = False
    duplicate: bool = False


class RejectReason(StrEnum):
    """Why a message is a dead letter; stable words for tables, metrics and search."""

    UNKNOWN_TOPIC = "unknown_topic"
    """No decoder claims the topic."""
    MALFORMED_TOPIC = "malformed_topic"
    """The format is known by the topic's root, but its levels do not fit it."""
    TOO_LARGE = "too_large"
    """The payload is longer than the limit."""
    MALFORMED_PAYLOAD = "malformed_payload"
    """The payload is not of the format that the topic announces."""
    WRONG_TYPE = "wrong_type"
    """A field has a type or a value that the format does not allow."""
    MISSING_TIME = "missing_time"
    """The format requires an event time and there is none."""
    TIME_OUT_OF_WINDOW = "time_out_of_window"
    """An event time is further back or ahead than the feed's window allows."""
    UNIT_MISMATCH = "unit_mismatch"
    """A unit is unknown, or cannot be converted into the series' own."""
    UNKNOWN_DEVICE = "unknown_device"
    """The registry does not know the device, and no rule may add it: the message waits in quarantine."""
    DECODER_FAILED = "decoder_failed"
    """The decoder raised: a bug of ours, the message is kept to be decoded again after the fix."""
    REFUSED_BY_STORE = "refused_by_store"
    """The database refused what the message says, and nothing else of its batch."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a message says.

    Attributes
    ----------
    readings, events
        Both empty for a message that lawfully says nothing to store.
    assets
        What the message says of the devices that report (domain, kind, place), so that a rule can add them to
        the registry; a device that is missing here and in the registry is unknown.
    own_time
        False when the payload states no time, so that its readings took the arrival time.
    """

    readings: tuple[DecodedReading, ...] = ()
    events: tuple[DecodedEvent, ...] = ()
    assets: tuple[Asset, ...] = ()
    own_time: bool = True


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a message says nothing that we could take.

    Attributes
    ----------
    reason
        The stable word.
    detail
        The same for people, naming field and value; holds no secret from the topic.
    """

    reason: RejectReason
    detail: str
