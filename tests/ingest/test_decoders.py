"""The way into the decoders: who reads what, and that nothing at all can raise."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example as example_of
from hypothesis import given, settings
from hypothesis import strategies as st

import ingest.decoders
from core.message import Decoded, Message, Rejected, RejectReason
from ingest.decoders import DECODERS, decode_message, decoder_for, feed_of

RECEIVED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HFP = "/hfp/v2/journey/ongoing/{}/bus/0022/00754"
OWN = "cityvigil/v1/water/dma/dma-1"
KNOWN = [HFP.format("vp"), HFP.format("dep"), HFP.format("apc"), OWN]


def message(topic: str, payload: bytes) -> Message:
    return Message(topic, payload, RECEIVED_AT)


@pytest.mark.parametrize(
    ("topic", "feed"),
    [
        ("/hfp/v2/journey", "hfp"),
        ("hfp/v1/", "hfp"),
        (OWN, "cityvigil_json"),
        ("", "unknown"),
        ("hfp", "unknown"),
        ("hfpx/v2", "unknown"),
        ("//hfp/v2", "unknown"),
        ("cityvigil", "unknown"),
        ("/cityvigil/v1", "unknown"),
        ("spBv1.0/a/DDATA/b", "unknown"),
    ],
)
def test_topic_belongs_to_a_feed(topic: str, feed: str) -> None:
    assert feed_of(topic) == feed
    decoder = decoder_for(topic)
    assert (decoder.name if decoder else "unknown") == feed
    assert sum(decoder.claims(topic) for decoder in DECODERS) == (feed != "unknown")


def test_feeds_have_names_of_their_own() -> None:
    assert len({decoder.name for decoder in DECODERS}) == len(DECODERS)


def test_topic_that_nobody_claims_is_unknown_whatever_it_carries() -> None:
    for payload in (b"", b"{}", b"x" * 100):
        rejected = decode_message(message("plant/1", payload), 10)
        assert isinstance(rejected, Rejected)
        assert rejected.reason is RejectReason.UNKNOWN_TOPIC


@pytest.mark.parametrize("topic", KNOWN)
def test_cleared_retained_message_is_lawful(topic: str) -> None:
    assert decode_message(message(topic, b""), 10) == Decoded()


@pytest.mark.parametrize(("size", "too_large"), [(99, False), (100, False), (101, True)])
def test_payload_may_be_as_long_as_the_limit(size: int, too_large: bool) -> None:
    decoded = decode_message(message(OWN, b"{}".ljust(size)), 100)
    assert isinstance(decoded, Rejected) is too_large
    if isinstance(decoded, Rejected):
        assert decoded == Rejected(RejectReason.TOO_LARGE, "101 bytes, the limit is 100")


class BrokenDecoder:
    name: str = "broken"

    def claims(self, topic: str) -> bool:
        return bool(topic)

    def decode(self, message: Message) -> Decoded | Rejected:
        raise KeyError("\ud800" + message.topic)


def test_decoder_that_raises_makes_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.decoders, "DECODERS", (BrokenDecoder(),))
    rejected = decode_message(message("any", b"x"), 10)
    assert isinstance(rejected, Rejected)
    assert rejected.reason is RejectReason.DECODER_FAILED
    assert rejected.detail.startswith("broken: KeyError: ")
    assert rejected.detail.isascii()


topics = (
    st.text()
    | st.sampled_from(KNOWN)
    | st.builds("/hfp/v2/{}/{}/{}/{}/{}/{}".format, *[st.text(max_size=8)] * 6)
    | st.builds("cityvigil/v1/{}/{}/{}".format, *[st.text(max_size=8)] * 3)
)
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("2026-03-01T11:59:58Z"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=3)
            | st.sampled_from(
                [
                    "VP",
                    "DEP",
                    "APC",
                    "tst",
                    "spd",
                    "lat",
                    "desi",
                    "vehiclecounts",
                    "doorcounts",
                    "count",
                    "in",
                    "out",
                    "vehicleload",
                    "time",
                    "zone",
                    "place",
                    "latitude",
                    "longitude",
                    "readings",
                    "events",
                    "metric",
                    "value",
                    "unit",
                    "kind",
                    "attributes",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


@settings(deadline=None)
@given(topic=topics, payload=st.binary() | json_like.map(as_json))
@example_of(topic=OWN, payload=b"[" * 100_000)
@example_of(topic=HFP.format("vp"), payload=b'{"VP":{"x":' + b"9" * 10_000 + b',"spd":' + b"9" * 10_000 + b"}}")
@example_of(topic=HFP.format("vp"), payload=b'{"VP":{"x":' + b'{"x":' * 50_000 + b"NaN")
def test_no_topic_and_no_payload_raises(topic: str, payload: bytes) -> None:
    decoded = decode_message(message(topic, payload), 1_000_000)
    if isinstance(decoded, Rejected):
        assert decoded.reason is not RejectReason.DECODER_FAILED, decoded
        assert decoded.detail.isascii()
        assert len(decoded.detail) < 400
    else:
        times = [reading.time for reading in decoded.readings] + [event.time for event in decoded.events]
        assert all(time.tzinfo is UTC for time in times)
        assert all(abs(reading.value) <= 1.8e308 for reading in decoded.readings)


@settings(deadline=None)
@given(payload=st.binary(), at=st.integers(0, 400), topic=st.sampled_from(KNOWN[:3]))
def test_bytes_put_into_a_lawful_message_never_raise(payload: bytes, at: int, topic: str) -> None:
    key = {"vp": b"VP", "dep": b"DEP", "apc": b"APC"}[topic.split("/")[5]]
    lawful = b'{"' + key + b'":{"tst":"2026-03-01T11:59:58Z","spd":NaN,"lat":60.1,"desi":"112","stop":1}}'
    decoded = decode_message(message(topic, lawful[:at] + payload + lawful[at:]), 1_000_000)
    assert isinstance(decoded, Decoded) or decoded.reason is not RejectReason.DECODER_FAILED
