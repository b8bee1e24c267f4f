import json
import re
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.replay import plan_of, publish_due, publish_recordings, speed_of
from simulators.publish import Publisher
from simulators.recorded_replay import Due
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

    def publish(
        self,
        topic: str,
        payload: bytes,
        received_at: datetime | None = None,
        *,
        retain: bool = False,
        user_properties: Sequence[tuple[str, str]] = (),
    ) -> None:
        assert received_at is not None
        self.published.append(
            RecordedMessage(received_at, topic, payload, retained=retain, user_properties=tuple(user_properties))
        )
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


class Waiting(Noting):
    """Notes how many messages had been handed over each time that all had to go."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed_after: list[int] = []

    def flush(self) -> None:
        self.flushed_after.append(len(self.published))


def test_what_gathers_is_let_go_before_a_wait_and_only_then() -> None:
    publisher = Waiting()
    publish_recordings(recorded(0, 0, 600, 600, 0, 900), publisher, 1.0, Unhurried())
    assert publisher.flushed_after == [2, 3, 5]
    hurried = Waiting()
    publish_recordings(recorded(0, 600), hurried, None, Unhurried())
    assert hurried.flushed_after == []


def test_messages_are_due_when_the_plan_says_so_whatever_arrival_they_state() -> None:
    messages, stop = recorded(0, 5), Unhurried()
    due = [Due(START + timedelta(seconds=100 * number), one) for number, one in enumerate(messages * 2)]
    publish_due(due, Noting(), 10.0, stop)
    assert stop.waits_s == pytest.approx([0, 10, 20, 30], abs=5)


@pytest.mark.parametrize(("keep", "flags"), [(True, [False, True]), (False, [False, False])])
def test_retained_messages_are_retained_again_on_demand_only(keep: bool, flags: list[bool]) -> None:
    publisher = Noting()
    due = [Due(START, RecordedMessage(START, "t", b"", retained=retained)) for retained in (False, True)]
    publish_due(due, publisher, None, threading.Event(), keep_retained=keep)
    assert [one.retained for one in publisher.published] == flags


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"speed": "fast"}, "'fast' is neither max nor a number greater than 0"),
        ({"shift": "tomorrow"}, "'tomorrow' is none of: none, now"),
        ({"payload_times": True}, "--payload-times needs --shift now"),
        ({"labels": Path("x")}, "--labels needs --fault"),
        ({"keep_retained": True, "skip_retained": True}, "exclude each other"),
        ({"topics": ["a", "b#"]}, "topic filter 2 is none"),
    ],
)
def test_what_makes_no_plan_is_said(wanted: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        plan_of([], **wanted)


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


FAULTS = """\
{"kind": "drop", "start": "2026-03-14T12:00:05Z", "end": "2026-03-14T12:00:06Z", "topics": "nobody/#"}
{"kind": "offset", "start": "2026-03-14T12:00:05Z", "end": "2026-03-14T13:00:00Z", "metric": "flow", "by": 100}
"""


def test_a_recording_is_chosen_from_broken_moved_and_repeated(data_dir: Path) -> None:
    lines = RECORDING.replace('{"readings":\n', '{"readings":[}\n').replace(
        '{"readings":', '{"time":"2026-03-14T12:00:00.5Z","readings":'
    )
    (data_dir / "night.txt").write_text(lines)
    (data_dir / "faults.jsonl").write_text(FAULTS)
    options = [
        "--topics",
        "cityvigil/+/water/#",
        "--topics",
        "nobody/#",
        "--until",
        "2026-03-14T12:00:06Z",
        "--loop",
        "3",
    ]
    more = ["--shift", "now", "--payload-times", "--fault", "faults.jsonl", "--labels", "labels.jsonl"]
    before = datetime.now(UTC)
    done = call(["replay", "night.txt", "--speed", "max", *options, *more], data_dir)
    assert done.returncode == 0, done.stderr
    assert "published 6 messages" in done.stdout
    assert [cells(done.stdout, row) for row in ("received", "stored", "conflict")] == [["6"], ["3"], ["3"]]
    assert cells(done.stdout, "closes") == ["yes"]
    labels = [json.loads(line) for line in (data_dir / "labels.jsonl").read_text().splitlines()]
    assert [(label["kind"], label["effect"]["touched"]) for label in labels] == [("drop", 1), ("offset", 1)] * 3
    starts = [datetime.fromisoformat(label["start"]) for label in labels[::2]]
    assert before < starts[0] < starts[1] < starts[2] < datetime.now(UTC) + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--shift", "tomorrow"], "'tomorrow' is none of: none, now"),
        (["--labels", "x"], "--labels needs --fault"),
        (["--topics", "a#"], "topic filter 1 is none"),
        (["--from", "yesterday"], "'yesterday' is no RFC 3339 time"),
        (["--qos", "2"], "--qos"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    (tmp_path / "night.txt").write_text(RECORDING)
    done = call(["replay", "night.txt", *arguments], tmp_path)
    assert done.returncode == 2
    assert complaint in done.stderr


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
