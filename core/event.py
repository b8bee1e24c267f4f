"""An event: what an asset reports that is no measurement."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

AttributeValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class DecodedEvent:
    """What a decoder reads out of a message that reports something happening.

    Attributes
    ----------
    device
        Who reports, in the words of the feed.
    kind
        What happened: `arrival`, `departure`, `birth`, `last_gasp`, ….
    time
        Event time, in UTC. Device, kind and time together identify an event.
    attributes
        What else the message says of it (line, direction, trip, stop).
    """

    device: str
    kind: str
    time: datetime
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
