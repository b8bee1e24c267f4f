"""Moving recordings in time: the arrival always, the times inside payloads where their format is known."""

from dataclasses import dataclass
from datetime import timedelta

import msgspec

from simulators.recorded_payloads import moved_time, open_document, sender_of
from simulators.recording import RecordedMessage


@dataclass(slots=True)
class PayloadTimes:
    """What became of the times inside payloads.

    Attributes
    ----------
    moved
        Messages whose times were moved.
    none
        Messages of a known format that state no time, so that their arrival counts.
    left
        Messages that went out as recorded, because their format is not known or they are not of it.
    """

    moved: int = 0
    none: int = 0
    left: int = 0


def move_payload_times(message: RecordedMessage, by_s: int, counted: PayloadTimes) -> RecordedMessage:
    """Return a message with the times inside its payload moved by whole seconds, as far as the format is known.

    HFP: `tst`, `tsi`, `ttarr` and `ttdep`; the operating day and the trip's start name the trip and stay. City Vigil
    JSON: `time` of the message, its readings and its events.
    """
    document = open_document(message) if sender_of(message.topic) is not None else None
    if document is None:
        counted.left += 1
        return message
    slots = [slot for slot in document.times() if slot.value is not None]
    moved = [moved_time(slot.value, by_s) for slot in slots]
    if not slots:
        counted.none += 1
        return message
    if None in moved:
        counted.left += 1
        return message
    for slot, time in zip(slots, moved, strict=True):
        slot.put(time)
    counted.moved += 1
    return msgspec.structs.replace(message, payload=document.payload())


def shift(message: RecordedMessage, by_s: int, payload_times: PayloadTimes | None) -> RecordedMessage:
    """Return a message that arrives so much later, or earlier if `by_s` is negative.

    Parameters
    ----------
    by_s
        Whole seconds, so that payload times keep their digits below the second.
    payload_times
        Where to count what becomes of the times inside payloads; None leaves them as they are.
    """
    moved = msgspec.structs.replace(message, received_at=message.received_at + timedelta(seconds=by_s))
    return moved if payload_times is None else move_payload_times(moved, by_s, payload_times)
