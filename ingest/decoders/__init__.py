"""The wire formats that we understand, one module each, and the way in that they share."""

from core.message import Decoded, Message, Rejected, RejectReason
from ingest.decoders.cityvigil_json import CityVigilJsonDecoder
from ingest.decoders.hfp import HfpDecoder
from ingest.decoders.json_payload import shown
from ingest.decoders.protocol import Decoder

DECODERS: tuple[Decoder, ...] = (HfpDecoder(), CityVigilJsonDecoder())
"""In the order in which they are asked; no two claim the same topic."""

UNKNOWN_FEED = "unknown"
"""The feed of a topic that no decoder claims."""


def decoder_for(topic: str) -> Decoder | None:
    """Return the decoder that claims the topic; None if none does."""
    for decoder in DECODERS:
        if decoder.claims(topic):
            return decoder
    return None


def feed_of(topic: str) -> str:
    """Return the name under which a topic's messages are counted."""
    decoder = decoder_for(topic)
    return UNKNOWN_FEED if decoder is None else decoder.name


def decode_message(message: Message, max_payload_bytes: int) -> Decoded | Rejected:
    """Read a message in whatever format its topic announces; never raise.

    Parameters
    ----------
    message
        Any topic, any bytes.
    max_payload_bytes
        A longer payload is refused unread.

    Returns
    -------
    An empty payload on a known topic clears a retained message: it is lawful and says nothing.
    """
    decoder = decoder_for(message.topic)
    if decoder is None:
        return Rejected(RejectReason.UNKNOWN_TOPIC, "no decoder claims the topic")
    if not message.payload:
        return Decoded()
    if len(message.payload) > max_payload_bytes:
        return Rejected(RejectReason.TOO_LARGE, f"{len(message.payload)} bytes, the limit is {max_payload_bytes}")
    try:
        return decoder.decode(message)
    except Exception as exc:  # noqa: BLE001 - one message that trips a decoder must not stop the feed
        return Rejected(RejectReason.DECODER_FAILED, f"{decoder.name}: {type(exc).__name__}: {shown(str(exc))}")
