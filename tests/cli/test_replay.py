import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.replay import publish_recordings, speed_of
from simulators.publish import Publisher
from simulators.recording import RecordedMessage, read_recordings
from tests.cli.calling import call
from tests.cli.processes import processes_of
from tests.paths import SHARED

START = datetime(2026, 3, 14, 12, tzinfo=UTC)
CAPTURES = SHARED / "captures" / "hfp"


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("1", 1.0), ("0.5", 0.5), ("1e3", 1000.0)])
def test_speed_is_a_number_or_max(text: str, speed: float | None) -> None:
    assert speed_of(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "", "fast", "MAX"])
def test_any_other_speed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"greater than 0|to float"):
        speed_of(text)


class Noting(Publisher):
    """Notes what it is given, and publishes nothing."""

    def __init__(self, stop_after: int = 1_000, stop: threading.Event | None = None) -> None:
        self.published: list[RecordedMessage] = []
        self._stop_after, self._stop = stop_after, stop

    def publish(self, topic: str, payload: bytes, received_at: datetime | None = None) -> None:
        assert received_at is not None
        self.published.append(RecordedMessage(received_at, topic, payload))
        if self._stop is not None and len(self.published) == self._stop_after:
            self._stop.set()

    def wait_all(self) -> None:
        """Nothing is on its way."""


class Unhurried(threading.Event):
    """Notes how long it was to be waited on, and returns at once."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits_s.append(timeout or 0.0)
        return False


def recorded(*seconds: float) -> list[RecordedMessage]:
    return [RecordedMessage(START + timedelta(seconds=s), f"t/{s}", b"{}") for s in seconds]


def test_messages_follow_each_other_as_recorded_at_the_speed_asked_for() -> None:
    messages, stop, publisher = recorded(0, 600, 1_200, 900, 1_200), Unhurried(), Noting()
    assert publish_recordings(messages, publisher, 2.0, stop) == 5
    assert publisher.published == messages
    assert stop.waits_s == pytest.approx([0, 300, 600, 450, 600], abs=5)


def test_as_fast_as_possible_waits_for_nothing() -> None:
    stop = Unhurried()
    assert publish_recordings(recorded(0, 600), Noting(), None, stop) == 2
    assert stop.waits_s == []


def test_a_stop_ends_it_between_two_messages() -> None:
    def endless() -> Iterator[RecordedMessage]:
        while True:
            yield from recorded(0)

    stop = threading.Event()
    publisher = Noting(3, stop)
    assert publish_recordings(endless(), publisher, None, stop) == 3


def cells(table: str, row: str) -> list[str]:
    """Return the cells of a row of the printed account."""
    (line,) = (line for line in table.splitlines() if re.match(rf"│ {row} ", line))
    return [cell.strip() for cell in line.strip("│").split("│")[1:]]


RECORDING = """\
2026-03-14T12:00:00Z cityvigil/v1/water/dma/dma-1 {"readings":[{"metric":"flow","value":1.5,"unit":"m3/h"}]}

2026-03-14T12:00:05Z cityvigil/v1/water/dma/dma-1 {"readings":[{"metric":"flow","value":2.5,"unit":"m3/h"}]}
2026-03-14T12:00:05Z nobody/knows {"x":1}
2026-03-14T12:00:06Z cityvigil/v1/water/dma/dma-1 {"readings":
"""


def test_a_recording_goes_through_a_city_vigil_of_its_own(data_dir: Path) -> None:
    (data_dir / "night.txt").write_text(RECORDING.replace('{"readings":\n', '{"readings":[}\n'))
    done = call(["replay", "night.txt", "--speed", "max"], data_dir)
    assert done.returncode == 0, done.stderr
    assert "published 4 messages" in done.stdout
    assert sum(int(cell) for cell in cells(done.stdout, "received")) == 4
    assert sum(int(cell) for cell in cells(done.stdout, "stored")) == 2
    assert sum(int(cell) for cell in cells(done.stdout, "rejected")) == 2
    assert set(cells(done.stdout, "closes")) == {"yes"}
    assert not processes_of(data_dir)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded feeds are not beside the project")
def test_recorded_feeds_close_their_account(data_dir: Path) -> None:
    files = sorted(CAPTURES.glob("*.txt"))
    messages = sum(1 for _ in read_recordings(files))
    done = call(["replay", *map(str, files), "--speed", "max"], data_dir)
    assert done.returncode == 0, done.stderr
    assert f"published {messages:,} messages" in done.stdout
    assert cells(done.stdout, "received") == [f"{messages:,}"]
    assert cells(done.stdout, "closes") == ["yes"]
    assert not processes_of(data_dir)
