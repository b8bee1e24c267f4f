"""Which messages of a recording are wanted: by topic, time of arrival, and whether they were retained."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from simulators.recording import RecordedMessage

_LONGEST_BYTES = 65_535


class TopicFilters:
    """MQTT topic filters; a topic matches if one of them does. None at all match every topic.

    Raises
    ------
    ValueError
        Counting to the filter that is none.
    """

    def __init__(self, filters: Iterable[str]) -> None:
        patterns = [_pattern(one, number) for number, one in enumerate(filters, start=1)]
        self._pattern = re.compile("|".join(patterns) or ".*", re.DOTALL)

    def match(self, topic: str) -> bool:
        """Tell whether a topic matches."""
        return self._pattern.fullmatch(topic) is not None


def _pattern(one: str, number: int) -> str:
    """Return a topic filter as a regular expression (MQTT 5.0, 4.7)."""
    levels = one.split("/")
    plus_misplaced = any("+" in level and level != "+" for level in levels)
    hash_misplaced = "#" in one.removesuffix("#") or (one.endswith("#") and levels[-1] != "#")
    if not 0 < len(one.encode()) <= _LONGEST_BYTES or "\0" in one or plus_misplaced or hash_misplaced:
        raise ValueError(f"topic filter {number} is none: + and # stand for whole levels, # for the last ones only")
    # Wildcards at the beginning leave out what brokers say of themselves ($SYS).
    begin = r"(?!\$)" if levels[0] in {"+", "#"} else ""
    if levels[-1] != "#":
        return begin + "/".join(map(_level, levels))
    parents = "/".join(map(_level, levels[:-1]))
    return begin + (f"{parents}(?:/.*)?" if len(levels) > 1 else ".*")


def _level(level: str) -> str:
    return "[^/]*" if level == "+" else re.escape(level)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is taken of a recording.

    Attributes
    ----------
    topics
        Which topics.
    start, end
        Recorded arrivals from (inclusive) and until (exclusive); None for no limit.
    skip_retained
        Leave out what the broker had sent from its memory.
    """

    topics: TopicFilters
    start: datetime | None = None
    end: datetime | None = None
    skip_retained: bool = False

    def of(self, messages: Iterable[RecordedMessage]) -> Iterator[RecordedMessage]:
        """Yield the messages that are wanted, in their order."""
        return (message for message in messages if self._takes(message))

    def _takes(self, message: RecordedMessage) -> bool:
        if self.start is not None and message.received_at < self.start:
            return False
        if self.end is not None and message.received_at >= self.end:
            return False
        return not (self.skip_retained and message.retained) and self.topics.match(message.topic)
