"""Faults change what is theirs, nothing else, and account for what they do."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.message import Decoded, Message
from ingest.decoders import decode_message
from simulators.recorded_breaking import break_feed
from simulators.recorded_faults import Effect, FeedFault, FeedFaultKind
from simulators.recorded_payloads import sender_of
from simulators.recorded_selection import TopicFilters
from simulators.recording import RecordedMessage

START = datetime(2026, 3, 14, 12, tzinfo=UTC)
BUS = "/hfp/v2/journey/ongoing/vp/bus/0012/0{}/4631/1/Kulomäki/09:12/4810214/4/60;25/30/46/42"
DMA = "cityvigil/v1/water/dma/dma-{}"
PARTICULARS: dict[FeedFaultKind, dict[str, Any]] = {
    FeedFaultKind.DELAY: {"delay_s": 90.5},
    FeedFaultKind.OUT_OF_ORDER: {"delay_s": 300.0},
    FeedFaultKind.DUPLICATE: {"copies": 2, "delay_s": 7.0},
    FeedFaultKind.SPIKE: {"metric": "speed", "by": 40, "share": 0.5},
    FeedFaultKind.OFFSET: {"path": "readings.0.value", "by": -1.5},
    FeedFaultKind.SCALE: {"metric": "flow", "factor": 3.6},
    FeedFaultKind.CLOCK: {"offset_s": -3_600},
}


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def bus(second: float, number: int = 1, event: str = "vp", **fields: Any) -> RecordedMessage:
    tst = at(second - 0.4).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {"tst": tst, "tsi": int(at(second - 0.4).timestamp()), "spd": 8.5, "lat": 60.1 + second / 1e4, "long": 25.0}
    topic = BUS.format(number).replace("/vp/", f"/{event}/")
    return RecordedMessage(at(second), topic, json.dumps({event.upper(): {**body, **fields}}).encode())


def dma(second: float, number: int = 1, flow: float | None = 12.5) -> RecordedMessage:
    readings = [{"metric": "flow", "value": flow, "unit": "m3/h"}, {"metric": "pressure", "value": 4, "unit": "bar"}]
    body = {"time": at(second).isoformat(), "readings": readings}
    return RecordedMessage(at(second), DMA.format(number), json.dumps(body).encode())


def other(second: float, payload: bytes = b"\x01\xff") -> RecordedMessage:
    return RecordedMessage(at(second), "other/feed", payload)


def fault(kind: FeedFaultKind, start_s: float = 0, end_s: float = 1_000, **more: Any) -> FeedFault:
    made = FeedFault(kind, at(start_s), at(end_s), **{**PARTICULARS.get(kind, {}), **more})
    made.check()
    return made


def broken(
    messages: Sequence[RecordedMessage], *faults: FeedFault, seed: int = 1
) -> tuple[list[RecordedMessage], list[Effect]]:
    effects = [Effect() for _ in faults]
    return list(break_feed(messages, faults, np.random.default_rng(seed), effects)), effects


messages = st.lists(
    st.one_of(
        st.builds(bus, st.integers(0, 900), st.integers(1, 3), st.sampled_from(["vp", "dep"])),
        st.builds(dma, st.integers(0, 900), st.integers(1, 3), st.none() | st.floats(-1e6, 1e6)),
        st.builds(other, st.integers(0, 900), st.binary(max_size=4)),
    ),
    max_size=30,
).map(lambda made: sorted(made, key=lambda one: one.received_at))
faults = st.builds(
    lambda kind, span, topics, device: fault(kind, min(span), max(span) + 1, topics=topics, device=device),
    st.sampled_from(FeedFaultKind),
    st.tuples(st.integers(0, 900), st.integers(0, 900)),
    st.sampled_from(["#", "/hfp/#", "cityvigil/v1/water/+/dma-1", "other/feed"]),
    st.sampled_from([None, "hsl:12/1", "dma-2"]),
)


def is_theirs(message: RecordedMessage, several: Sequence[FeedFault]) -> bool:
    sender = sender_of(message.topic)
    return any(
        one.start <= message.received_at < one.end
        and TopicFilters([one.topics]).match(message.topic)
        and (one.device is None or (sender is not None and one.device == sender.device))
        for one in several
    )


@given(messages, st.lists(faults, max_size=3), st.integers(0, 9))
def test_nothing_but_what_is_a_faults_own_changes(
    recorded: list[RecordedMessage], several: list[FeedFault], seed: int
) -> None:
    out, effects = broken(recorded, *several, seed=seed)
    untouched = Counter(map(repr, (one for one in recorded if not is_theirs(one, several))))
    assert not untouched - Counter(map(repr, out))
    touched = sum(effect.touched for effect in effects)
    same = Counter(map(repr, recorded)) & Counter(map(repr, out))
    assert len(recorded) - same.total() <= touched


@given(messages, st.lists(faults, max_size=3), st.integers(0, 9))
def test_the_account_closes_and_what_comes_out_is_in_order(
    recorded: list[RecordedMessage], several: list[FeedFault], seed: int
) -> None:
    out, effects = broken(recorded, *several, seed=seed)
    dropped, added = (sum(getattr(effect, name) for effect in effects) for name in ("dropped", "added"))
    assert len(recorded) == len(out) + dropped - added
    assert [one.received_at for one in out] == sorted(one.received_at for one in out)
    for effect in effects:
        assert effect.touched + effect.unreadable <= effect.messages
    assert broken(recorded, *several, seed=seed)[0] == out


@given(messages, faults, faults)
def test_one_fault_more_does_not_change_what_chance_does_in_the_others(
    recorded: list[RecordedMessage], first: FeedFault, second: FeedFault
) -> None:
    alone, (effect, _) = broken(recorded, first, fault(FeedFaultKind.DROP, 2_000, 3_000))
    assert alone == broken(recorded, first)[0]
    _, (beside, _) = broken(recorded, first, second)
    assert beside == effect


def test_messages_are_dropped_where_and_when_they_should_be() -> None:
    recorded = [bus(0), bus(10), bus(10, 2), dma(15), bus(20)]
    out, (effect,) = broken(recorded, fault(FeedFaultKind.DROP, 10, 20, topics="/hfp/#", device="hsl:12/1"))
    assert out == [recorded[0], *recorded[2:]]
    assert effect == Effect(messages=1, touched=1, dropped=1)


def test_copies_come_one_after_the_other() -> None:
    first, second = other(0), other(10)
    out, (effect,) = broken([first, second], fault(FeedFaultKind.DUPLICATE, 0, 5))
    assert [(one.received_at - START).total_seconds() for one in out] == [0, 7, 10, 14]
    assert {one.payload for one in out} == {first.payload}
    assert effect == Effect(messages=1, touched=1, added=2)
    assert broken([first], fault(FeedFaultKind.DUPLICATE, copies=None, delay_s=None))[0] == [first, first]


def test_a_delayed_message_arrives_later_and_says_the_same() -> None:
    recorded = [bus(0), bus(1, 2), dma(91)]
    out, _ = broken(recorded, fault(FeedFaultKind.DELAY, 0, 1))
    assert out == [recorded[1], msgspec.structs.replace(recorded[0], received_at=at(90.5)), recorded[2]]


def test_out_of_order_means_that_later_ones_come_first() -> None:
    recorded = [bus(second) for second in range(0, 600, 10)]
    out, _ = broken(recorded, fault(FeedFaultKind.OUT_OF_ORDER))
    assert sorted(one.payload for one in out) == sorted(one.payload for one in recorded)
    assert [one.payload for one in out] != [one.payload for one in recorded]
    late_s = [
        (one.received_at - next(r for r in recorded if r.payload == one.payload).received_at).total_seconds()
        for one in out
    ]
    assert 0 <= min(late_s) < 50
    assert 250 < max(late_s) <= 300


def values(message: RecordedMessage) -> dict[str, tuple[float, datetime]]:
    decoded = decode_message(Message(message.topic, message.payload, message.received_at), 10**6)
    assert isinstance(decoded, Decoded)
    return {one.metric: (one.value, one.time) for one in decoded.readings}


def column(out: Sequence[RecordedMessage], metric: str) -> list[float]:
    return [values(one)[metric][0] for one in out if metric in values(one)]


def test_a_frozen_position_is_the_last_one_before_whatever_event_tells_it() -> None:
    recorded = [bus(0), bus(5, 2), bus(10, event="dep"), bus(20), bus(30, event="arr", lat=None), bus(40), bus(50)]
    out, (effect,) = broken(recorded, fault(FeedFaultKind.GPS_FREEZE, 20, 50, device="hsl:12/1"))
    assert column(out, "latitude") == column([*recorded[:3], recorded[2], recorded[2], recorded[6]], "latitude")
    assert [values(one)["speed"][1] for one in out] == [values(one)["speed"][1] for one in recorded]
    assert [json.loads(one.payload) for one in out][4]["ARR"]["lat"] is None
    assert effect == Effect(messages=3, touched=3)


def test_a_device_that_never_spoke_before_freezes_at_its_first_words() -> None:
    recorded = [dma(0, 1, 5.0), dma(10, 1, 6.0), dma(20, 1, 7.0)]
    out, _ = broken(recorded, fault(FeedFaultKind.FREEZE, 0, 15))
    assert column(out, "flow") == [5.0, 5.0, 7.0]
    assert [values(one)["flow"][1] for one in out] == [at(0), at(10), at(20)]


def test_one_metric_freezes_and_a_missing_value_stays_missing() -> None:
    recorded = [bus(0, spd=1.0), bus(10, spd=2.0, lat=60.9), bus(20, spd=None), bus(30, spd=4.0)]
    out, (effect,) = broken(recorded, fault(FeedFaultKind.FREEZE, 5, 100, metric="speed"))
    assert column(out, "speed") == [1.0, 1.0, 1.0]
    assert column(out, "latitude") == column(recorded, "latitude")
    assert effect == Effect(messages=3, touched=2, unreadable=1)


def test_an_unknown_device_repeats_its_whole_payload() -> None:
    recorded = [other(0, b"a"), other(10, b"b"), RecordedMessage(at(11), "more", b"c"), other(20, b"d")]
    out, (effect,) = broken(recorded, fault(FeedFaultKind.FREEZE, 10, 100))
    assert [one.payload for one in out] == [b"a", b"a", b"c", b"a"]
    assert effect == Effect(messages=3, touched=3)
    for one in (fault(FeedFaultKind.FREEZE, metric="speed"), fault(FeedFaultKind.GPS_FREEZE)):
        assert broken(recorded, one) == (recorded, [Effect(messages=4, unreadable=4)])


def test_values_are_off_by_what_was_asked_for_and_nothing_else_is() -> None:
    recorded = [dma(0), dma(10, flow=None), bus(20), other(30)]
    for kind, changed in ((FeedFaultKind.OFFSET, 11.0), (FeedFaultKind.SCALE, 45.0)):
        out, (effect,) = broken(recorded, fault(kind))
        assert column(out[:1], "flow") == [changed]
        assert column(out[:2], "pressure") == [4, 4]
        assert out[1:] == recorded[1:]
        assert effect == Effect(messages=4, touched=1, unreadable=3)


def test_a_spike_strikes_now_and_then() -> None:
    recorded = [bus(second) for second in range(400)]
    out, (effect,) = broken(recorded, fault(FeedFaultKind.SPIKE, share=None))
    assert Counter(column(out, "speed")) == {8.5: 400 - effect.touched, 48.5: effect.touched}
    assert 8 < effect.touched < 40


@pytest.mark.parametrize("value", [True, "8", None, 10**400])
def test_what_is_no_number_that_can_be_changed_stays(value: object) -> None:
    recorded = [bus(0, spd=value)]
    assert broken(recorded, fault(FeedFaultKind.SPIKE, share=1.0, by=0.5)) == (
        recorded,
        [Effect(messages=1, unreadable=1)],
    )


def test_a_wrong_clock_moves_the_payloads_times_and_no_arrival() -> None:
    recorded = [bus(0), dma(10), other(20)]
    out, (effect,) = broken(recorded, fault(FeedFaultKind.CLOCK))
    hour = timedelta(hours=1)
    assert [one.received_at for one in out] == [one.received_at for one in recorded]
    assert values(out[0])["speed"][1] == values(recorded[0])["speed"][1] - hour
    assert values(out[1])["flow"][1] == at(10) - hour
    assert effect == Effect(messages=3, touched=2, unreadable=1)


def test_faults_work_on_what_the_ones_before_left() -> None:
    recorded = [dma(0), dma(10)]
    out, effects = broken(
        recorded,
        fault(FeedFaultKind.DUPLICATE, 0, 5, copies=1, delay_s=20),
        fault(FeedFaultKind.OFFSET, 0, 5, path=None, metric="flow", by=1),
        fault(FeedFaultKind.DELAY, 0, 5, delay_s=30),
    )
    assert [((one.received_at - START).total_seconds(), values(one)["flow"][0]) for one in out] == [
        (10, 12.5),
        (30, 13.5),
        (50, 13.5),
    ]
    assert [effect.messages for effect in effects] == [1, 2, 2]


def test_a_recording_that_jumps_back_keeps_its_order() -> None:
    recorded = [bus(100), bus(0), bus(50)]
    assert broken(recorded, fault(FeedFaultKind.DROP, 200, 300))[0] == recorded
