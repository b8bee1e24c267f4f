import gzip
import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputFileError
from simulators.recorded_faults import FeedFault, FeedFaultKind
from simulators.recorded_replay import Due, Replay, ReplayPlan
from simulators.recorded_selection import Selection, TopicFilters
from simulators.recording import RecordedMessage, to_lines

START = datetime(2026, 3, 14, 12, tzinfo=UTC)
NOW = datetime(2027, 1, 1, 0, 0, 0, 900_000, tzinfo=UTC)


class StandingClock:
    def now(self) -> datetime:
        return NOW

    def to_wall_s(self, span_s: float) -> float:
        return span_s


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def recorded(*seconds: float, topic: str = "cityvigil/v1/water/dma/dma-1") -> list[RecordedMessage]:
    return [
        RecordedMessage(at(second), topic, json.dumps({"time": at(second).isoformat()}).encode()) for second in seconds
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "night"
    path.write_bytes(to_lines(recorded(0, 2.5, 10.25)))
    return path


def replay_of(*files: Path, **wanted: Any) -> Replay:
    return Replay(ReplayPlan(files, **wanted), StandingClock())


def seconds(due: list[Due]) -> list[float]:
    return [(one.at - START).total_seconds() for one in due]


def test_unmoved_passes_repeat_the_same_messages_later(file: Path) -> None:
    due = list(replay_of(file, passes=3).messages())
    assert seconds(due) == [0, 2.5, 10.25, 12, 14.5, 22.25, 24, 26.5, 34.25]
    assert [one.message for one in due] == recorded(0, 2.5, 10.25) * 3


def test_moved_passes_begin_now_and_follow_each_other(file: Path) -> None:
    replay = replay_of(file, passes=2, to_now=True, payload_times=True)
    due = list(replay.messages())
    now = NOW.replace(microsecond=0)
    after = [timedelta(seconds=s) for s in (0, 2.5, 10.25, 12, 14.5, 22.25)]
    assert [one.message.received_at for one in due] == [now + one for one in after]
    assert [json.loads(one.message.payload)["time"] for one in due] == [(now + one).isoformat() for one in after]
    assert seconds(due) == [0, 2.5, 10.25, 12, 14.5, 22.25]
    assert list(replay.notes()) == []


def test_payloads_stay_unless_they_are_to_be_moved_and_the_user_is_told(file: Path) -> None:
    replay = replay_of(file, to_now=True)
    assert [one.message.payload for one in replay.messages()] == [one.payload for one in recorded(0, 2.5, 10.25)]
    assert list(replay.notes()) == [
        "times inside payloads went out as recorded; --payload-times moves those of known formats"
    ]


def test_what_could_not_be_moved_is_told(tmp_path: Path) -> None:
    path = tmp_path / "night"
    timeless = RecordedMessage(at(1), "cityvigil/v1/water/dma/dma-1", b"{}")
    path.write_bytes(to_lines([*recorded(0, topic="other"), timeless]))
    replay = replay_of(path, to_now=True, payload_times=True)
    assert len(list(replay.messages())) == 2
    assert list(replay.notes()) == [
        "1 payloads went out with their times as recorded: their format is not known",
        "1 payloads state no time: their arrival counts",
    ]


def test_a_recording_is_moved_by_the_first_message_that_is_taken(file: Path) -> None:
    chosen = Selection(TopicFilters(()), at(1), at(10))
    (due,) = replay_of(file, to_now=True, selection=chosen).messages()
    assert timedelta(0) <= NOW - due.message.received_at < timedelta(seconds=1)


def test_recordings_that_jump_back_are_as_long_as_all_of_them(tmp_path: Path) -> None:
    late, early = tmp_path / "a", tmp_path / "b"
    late.write_bytes(to_lines(recorded(100, 101)))
    early.write_bytes(to_lines(recorded(0, 1)))
    due = list(replay_of(late, early, passes=2).messages())
    assert seconds(due) == [100, 101, 0, 1, 202, 203, 102, 103]


def test_without_end_means_without_end(file: Path) -> None:
    due = list(islice(replay_of(file, passes=0, to_now=True).messages(), 3_000))
    assert seconds(due)[-1] == 999 * 12 + 10.25
    assert len({one.message.received_at for one in due}) == 3_000


@pytest.mark.parametrize(
    "nothing",
    [
        {"selection": Selection(TopicFilters(["nobody/#"]))},
        {"faults": (FeedFault(FeedFaultKind.DROP, at(0), at(100)),)},
    ],
)
def test_a_pass_without_messages_is_the_last(file: Path, nothing: dict[str, Any]) -> None:
    assert list(replay_of(file, passes=0, **nothing).messages()) == []


def test_faults_are_told_of_by_labels_at_the_times_of_the_replay(file: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    several = (
        FeedFault(FeedFaultKind.DROP, at(2), at(3)),
        FeedFault(FeedFaultKind.DROP, at(20), at(30)),
        FeedFault(FeedFaultKind.DELAY, at(10), at(20), delay_s=5),
    )
    replay = replay_of(file, passes=2, to_now=True, faults=several, labels=labels)
    due = list(replay.messages())
    assert seconds(due) == [0, 15.25, 12, 27.25]
    moved = NOW.replace(microsecond=0) - START
    told = [json.loads(line) for line in labels.read_text().splitlines()]
    assert [(one["kind"], datetime.fromisoformat(one["start"]) - moved) for one in told] == [
        ("drop", at(2)),
        ("delay", at(10)),
        ("drop", at(14)),
        ("delay", at(22)),
    ]
    assert "fault 2 (drop) touched no message" in list(replay.notes())


def test_a_replay_that_is_given_up_still_tells_what_it_did(file: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.write_text("earlier\n")
    messages = replay_of(
        file, faults=(FeedFault(FeedFaultKind.CLOCK, at(0), at(1), offset_s=5),), labels=labels
    ).messages()
    next(messages)
    messages.close()
    earlier, label = labels.read_text().splitlines()
    assert earlier == "earlier"
    assert json.loads(label)["start"] == "2026-03-14T12:00:00Z"


def test_chance_differs_from_pass_to_pass_and_not_from_run_to_run(tmp_path: Path) -> None:
    path = tmp_path / "night"
    path.write_bytes(to_lines(recorded(*range(100))))
    half = FeedFault(FeedFaultKind.DROP, at(0), at(100), share=0.5)
    due = [seconds(list(replay_of(path, passes=2, faults=(half,)).messages())) for _ in range(2)]
    assert due[0] == due[1]
    first = [one for one in due[0] if one < 100]
    assert first != [one - 100 for one in due[0] if one >= 100]


def test_labels_that_cannot_be_written_are_reported_before_anything_is_sent(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="cannot be written"):
        next(replay_of(file, labels=tmp_path).messages())


def test_a_cut_off_file_is_told_of_once(file: Path) -> None:
    file.write_bytes(gzip.compress(file.read_bytes())[:-1])
    replay = replay_of(file, passes=3)
    assert len(list(replay.messages())) == 9
    (note,) = replay.notes()
    assert "is cut off" in note
