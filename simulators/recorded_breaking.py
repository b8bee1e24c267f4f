"""Faults at work on a stream of recorded messages: pure in the messages, the faults, and the generator's seed."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import numpy as np

from simulators.recorded_faults import Effect, FeedFault, FeedFaultKind
from simulators.recorded_payloads import Document, Slot, moved_time, open_document, sender_of
from simulators.recorded_selection import TopicFilters
from simulators.recording import RecordedMessage

_POSITION = frozenset({"latitude", "longitude"})

_Touch = Callable[[RecordedMessage], Sequence[RecordedMessage] | None]
"""What a message becomes; None where the fault finds nothing in it to change."""


def break_feed(
    messages: Iterable[RecordedMessage],
    faults: Sequence[FeedFault],
    rng: np.random.Generator,
    effects: Sequence[Effect],
) -> Iterator[RecordedMessage]:
    """Yield messages with faults in them, in the order in which they now arrive.

    Each fault draws from a generator of its own, so that one fault more does not change what the others do. All faults
    look at a message as it was recorded to tell whether it is theirs, and work on it one after the other. What no
    fault delays comes in the order of the recording; messages in = messages out + dropped - added.

    Parameters
    ----------
    messages
        By arrival, where delays are to put them in order.
    faults
        What breaks.
    rng
        Seeds the faults' own generators.
    effects
        One for each fault; counts what it does.
    """
    breakers = [_Breaker(*one) for one in zip(faults, rng.spawn(len(faults)), effects, strict=True)]
    late: list[tuple[datetime, int, RecordedMessage]] = []
    numbers = count()
    for message in messages:
        while late and late[0][0] <= message.received_at:
            yield heapq.heappop(late)[2]
        for one in _through(breakers, message):
            if one.received_at > message.received_at:
                heapq.heappush(late, (one.received_at, next(numbers), one))
            else:
                yield one
    while late:
        yield heapq.heappop(late)[2]


def _through(breakers: Sequence["_Breaker"], recorded: RecordedMessage) -> list[RecordedMessage]:
    messages = [recorded]
    for breaker in breakers:
        if breaker.concerns(recorded):
            messages = [out for one in messages for out in breaker.touch(one)]
    return messages


class _Breaker:
    """One fault at work."""

    def __init__(self, fault: FeedFault, rng: np.random.Generator, effect: Effect) -> None:
        self._fault = fault
        self._topics = TopicFilters([fault.topics])
        self._rng = rng
        self._effect = effect
        self._frozen = _Frozen(fault)
        self._touches = _touches(fault, rng, self._frozen)

    def concerns(self, recorded: RecordedMessage) -> bool:
        """Tell whether a message is the fault's; of those before its start a frozen device remembers the last."""
        fault = self._fault
        if recorded.received_at >= fault.end or not self._topics.match(recorded.topic):
            return False
        sender = sender_of(recorded.topic)
        if fault.device is not None and (sender is None or sender.device != fault.device):
            return False
        if recorded.received_at >= fault.start:
            return True
        if fault.kind in {FeedFaultKind.FREEZE, FeedFaultKind.GPS_FREEZE}:
            self._frozen.remember(recorded)
        return False

    def touch(self, message: RecordedMessage) -> Sequence[RecordedMessage]:
        """Return what becomes of a message that is the fault's."""
        effect = self._effect
        effect.messages += 1
        if self._fault.chance < 1.0 and self._rng.random() >= self._fault.chance:
            return (message,)
        touched = self._touches(message)
        if touched is None:
            effect.unreadable += 1
            return (message,)
        effect.touched += 1
        effect.dropped += not touched
        effect.added += max(len(touched) - 1, 0)
        return touched


def _touches(fault: FeedFault, rng: np.random.Generator, frozen: "_Frozen") -> _Touch:
    delay_s, by, factor, offset_s = fault.delay_s or 0.0, fault.by or 0, fault.factor or 0, fault.offset_s or 0
    ways: dict[FeedFaultKind, _Touch] = {
        FeedFaultKind.DROP: lambda _: (),
        FeedFaultKind.DUPLICATE: lambda one: [_later(one, n * delay_s) for n in range((fault.copies or 1) + 1)],
        FeedFaultKind.DELAY: lambda one: (_later(one, delay_s),),
        FeedFaultKind.OUT_OF_ORDER: lambda one: (_later(one, delay_s * rng.random()),),
        FeedFaultKind.FREEZE: frozen.hold,
        FeedFaultKind.GPS_FREEZE: frozen.hold,
        FeedFaultKind.SPIKE: lambda one: _edited(one, _values(fault), lambda value: value + by),
        FeedFaultKind.OFFSET: lambda one: _edited(one, _values(fault), lambda value: value + by),
        FeedFaultKind.SCALE: lambda one: _edited(one, _values(fault), lambda value: value * factor),
        FeedFaultKind.CLOCK: lambda one: _edited(one, Document.times, lambda value: moved_time(value, offset_s)),
    }
    return ways[fault.kind]


def _later(message: RecordedMessage, delay_s: float) -> RecordedMessage:
    return msgspec.structs.replace(message, received_at=message.received_at + timedelta(seconds=delay_s))


def _values(fault: FeedFault) -> Callable[[Document], Iterable[Slot]]:
    def slots(document: Document) -> Iterable[Slot]:
        if fault.path is not None:
            found = document.at(fault.path)
            named = [] if found is None else [found]
        else:
            named = [slot for slot in document.values() if slot.name == fault.metric]
        return [slot for slot in named if isinstance(slot.value, int | float) and not isinstance(slot.value, bool)]

    return slots


def _edited(
    message: RecordedMessage, slots: Callable[[Document], Iterable[Slot]], edit: Callable[[Any], Any]
) -> Sequence[RecordedMessage] | None:
    document = open_document(message)
    if document is None:
        return None
    try:
        edits = [(slot, edit(slot.value)) for slot in slots(document) if slot.value is not None]
    except OverflowError:
        return None
    if not edits or any(value is None for _, value in edits):
        return None
    for slot, value in edits:
        slot.put(value)
    return (msgspec.structs.replace(message, payload=document.payload()),)


class _Frozen:
    """What devices last said before they froze."""

    def __init__(self, fault: FeedFault) -> None:
        self._fault = fault
        self._before: dict[str, dict[str, RecordedMessage]] = {}
        self._values: dict[str, dict[str, Any]] = {}

    def remember(self, message: RecordedMessage) -> None:
        """Keep the last message of each kind of each device, the latest at the end; reading them can wait."""
        device, kind = _origin(message)
        kinds = self._before.setdefault(device, {})
        kinds.pop(kind, None)
        kinds[kind] = message

    def hold(self, message: RecordedMessage) -> Sequence[RecordedMessage] | None:
        """Return a message that says what its device last said; a value that it never said freezes as it comes."""
        device, _ = _origin(message)
        if sender_of(message.topic) is None:
            return self._repeated(message, device)
        document = open_document(message)
        slots = [slot for slot in document.values() if self._freezes(slot)] if document is not None else []
        if document is None or not slots:
            return None
        held = self._held(device)
        for slot in slots:
            slot.put(held.setdefault(slot.name, slot.value))
        return (msgspec.structs.replace(message, payload=document.payload()),)

    def _repeated(self, message: RecordedMessage, device: str) -> Sequence[RecordedMessage] | None:
        if self._fault.kind is FeedFaultKind.GPS_FREEZE or self._fault.metric is not None:
            return None
        last = self._before.setdefault(device, {"": message})[""]
        return (msgspec.structs.replace(message, payload=last.payload),)

    def _held(self, device: str) -> dict[str, Any]:
        if device not in self._values:
            values = self._values[device] = {}
            for earlier in self._before.pop(device, {}).values():
                document = open_document(earlier)
                slots = document.values() if document is not None else ()
                values |= {slot.name: slot.value for slot in slots if self._freezes(slot)}
        return self._values[device]

    def _freezes(self, slot: Slot) -> bool:
        if slot.value is None:
            return False
        if self._fault.kind is FeedFaultKind.GPS_FREEZE:
            return slot.name in _POSITION
        return self._fault.metric in {None, slot.name}


def _origin(message: RecordedMessage) -> tuple[str, str]:
    sender = sender_of(message.topic)
    return (message.topic, "") if sender is None else (sender.device, sender.kind)
