"""The recorded HFP messages that lie beside the project."""

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pytest

from core.message import Message
from tests.paths import SHARED

EXAMPLES = SHARED / "payloads" / "hfp"
CAPTURES = SHARED / "captures" / "hfp"
RECEIVED_AT = datetime(2024, 5, 23, 7, tzinfo=UTC)

needs_examples = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the example payloads are not beside the project")
needs_captures = pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded feeds are not beside the project")


@lru_cache(maxsize=1)
def manifest() -> dict[str, dict[str, Any]]:
    if not EXAMPLES.is_dir():
        return {}
    lines = (EXAMPLES / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return {entry["id"]: entry for entry in map(json.loads, lines)}


def example(name: str) -> Message:
    topic = (EXAMPLES / f"{name}.topic").read_text(encoding="utf-8")
    return Message(topic, (EXAMPLES / f"{name}.payload").read_bytes(), RECEIVED_AT)


@lru_cache(maxsize=1)
def captured() -> tuple[Message, ...]:
    """Every captured message; a line is `<receive time> <topic> <payload>`, and a topic may hold spaces."""
    messages = []
    for path in sorted(CAPTURES.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line:
                received_at, rest = line.split(" ", 1)
                topic, payload = rest.split(" {", 1)
                messages.append(Message(topic, b"{" + payload.encode(), datetime.fromisoformat(received_at)))
    return tuple(messages)
