"""How many messages one core decodes in a second, beside a bare `orjson.loads` of the same bytes.

Run: `python benchmarks/decode.py`. Prints a Markdown table; each figure is the median of five passes.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson

from core.message import Decoded, Message
from ingest.decoders import decode_message

MESSAGES = 20_000
PASSES = 5
VEHICLES = 500
LIMIT_BYTES = 262_144
START = datetime(2026, 3, 1, tzinfo=UTC)


def position(number: int) -> Message:
    """Return a vehicle position with all nine numbers, about 310 bytes."""
    vehicle, at = number % VEHICLES, START + timedelta(milliseconds=2 * number)
    body = {
        "desi": "112",
        "dir": "1",
        "oper": 22,
        "veh": vehicle,
        "tst": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "tsi": int(at.timestamp()),
        "spd": number % 2000 / 100,
        "hdg": number % 360,
        "lat": 60.1 + number % 997 / 1e5,
        "long": 24.7 + number % 991 / 1e5,
        "acc": 0.58,
        "dl": -28,
        "odo": number,
        "drst": 0,
        "oday": "2026-03-01",
        "jrn": 102,
        "line": 227,
        "start": "10:15",
        "loc": "GPS",
        "stop": None,
        "route": "2112",
        "occu": 0,
    }
    topic = f"/hfp/v2/journey/ongoing/vp/bus/0022/{vehicle:05}/2112/1/Centre/10:15/2314215/4/60;24/17/53/{number % 100}"
    return Message(topic, json.dumps({"VP": body}, separators=(",", ":")).encode(), at)


def measurement(number: int) -> Message:
    """Return a City Vigil message with two readings, about 150 bytes."""
    at = START + timedelta(milliseconds=2 * number)
    readings = [
        {"metric": "flow", "value": number % 1000 / 10, "unit": "m3/h"},
        {"metric": "pressure", "value": 4.2, "unit": "bar"},
    ]
    payload = json.dumps({"time": at.isoformat(), "readings": readings}, separators=(",", ":")).encode()
    return Message(f"cityvigil/v1/water/dma/dma-{number % VEHICLES}", payload, at)


def rate(action: Callable[[Message], object], messages: list[Message]) -> float:
    """Return messages per second of this process's CPU time."""
    rates = []
    for _ in range(PASSES):
        started_s = time.process_time()
        for message in messages:
            action(message)
        rates.append(len(messages) / (time.process_time() - started_s))
    return statistics.median(rates)


def decode(message: Message) -> None:
    """Decode, and make sure that it worked."""
    if not isinstance(decode_message(message, LIMIT_BYTES), Decoded):
        raise TypeError(f"not decoded: {message}")


def main() -> None:
    """Measure and print."""
    rows = ["| format | bytes | readings | decoded/s | bare orjson/s | ratio |", "|---|---|---|---|---|---|"]
    for name, make in (("HFP v2 position", position), ("City Vigil JSON", measurement)):
        messages = [make(number) for number in range(MESSAGES)]
        decode(messages[0])
        size = statistics.mean(len(message.payload) for message in messages)
        first = decode_message(messages[0], LIMIT_BYTES)
        readings = len(first.readings) if isinstance(first, Decoded) else 0
        decoded, bare = rate(decode, messages), rate(lambda message: orjson.loads(message.payload), messages)
        rows.append(f"| {name} | {size:.0f} | {readings} | {decoded:,.0f} | {bare:,.0f} | {decoded / bare:.2f} |")
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
