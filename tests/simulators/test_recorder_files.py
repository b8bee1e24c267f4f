import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import InputFileError
from simulators.recorder_files import BLOCK_BYTES, FileRules, RecordingFiles, recordings_in
from simulators.recorder_thread import WAITING_BATCHES, RecordingThread
from simulators.recording import RecordedMessage, read_recordings
from tests.paths import REPO
from tests.wait import wait_until

START = datetime(2026, 3, 14, 12, tzinfo=UTC)


class HandClock:
    """Shows the time that the test sets."""

    def __init__(self) -> None:
        self.after_s = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.after_s)

    def to_wall_s(self, span_s: float) -> float:
        return span_s

    def seconds(self) -> float:
        return self.after_s


def some(count: int, first: int = 0, size: int = 10) -> list[RecordedMessage]:
    # Bytes that do not pack, so that a file's size is known.
    return [RecordedMessage(START, f"t/{number}", os.urandom(size)) for number in range(first, first + count)]


def files_of(clock: HandClock, folder: Path, **rules: float) -> RecordingFiles:
    return RecordingFiles(FileRules(folder, **rules), clock, clock.seconds)  # type: ignore[arg-type]


def test_what_waits_is_written_when_it_is_due_and_at_the_end(tmp_path: Path) -> None:
    clock, (first, second) = HandClock(), some(2)
    folder = tmp_path / "new" / "folder"
    with files_of(clock, folder, flush_s=5.0) as files:
        assert files.due_in_s() == 5.0
        clock.after_s = 10.0
        files.add([first])
        clock.after_s = 12.0
        assert files.due_in_s() == pytest.approx(3.0)
        assert recordings_in(folder, "feed") == []
        clock.after_s = 16.0
        assert files.due_in_s() == 0.0
        files.flush()
        (path,) = recordings_in(folder, "feed")
        assert list(read_recordings([path])) == [first]
        assert files.due_in_s() == 5.0
        files.add([second])
        files.add([])
    assert list(read_recordings([path])) == [first, second]
    assert (files.messages, files.files, files.packed_bytes) == (2, 1, path.stat().st_size)


def test_a_full_block_does_not_wait(tmp_path: Path) -> None:
    with files_of(HandClock(), tmp_path) as files:
        files.add(some(1, size=BLOCK_BYTES // 2))
        assert files.messages == 0
        files.add(some(1, size=BLOCK_BYTES // 2))
        assert files.messages == 2


def test_where_nothing_came_there_is_no_file(tmp_path: Path) -> None:
    with files_of(HandClock(), tmp_path) as files:
        files.flush()
    assert list(tmp_path.iterdir()) == []


def test_a_name_says_when_the_file_was_begun_and_no_file_is_overwritten(tmp_path: Path) -> None:
    taken = tmp_path / "bus-20260314T120000.000000Z.cvrec.gz"
    taken.write_bytes(b"somebody's")
    with files_of(HandClock(), tmp_path, prefix="bus") as files:  # type: ignore[arg-type]
        files.add(some(1))
    assert [path.name for path in recordings_in(tmp_path, "bus")] == [
        taken.name,
        "bus-20260314T120000.000001Z.cvrec.gz",
    ]
    assert taken.read_bytes() == b"somebody's"


def test_a_file_that_is_large_or_old_is_followed_by_another(tmp_path: Path) -> None:
    clock, messages = HandClock(), some(8, size=1_000)
    with files_of(clock, tmp_path, max_bytes=2_000, max_age_s=60.0) as files:
        for number, message in enumerate(messages):
            clock.after_s = number * 1.0 if number < 6 else 200.0 + number
            files.add([message])
            files.flush()
    paths = recordings_in(tmp_path, "feed")
    assert [len(list(read_recordings([path]))) for path in paths] == [2, 2, 2, 2]
    assert list(read_recordings(paths)) == messages
    with files_of(clock, tmp_path, prefix="slow", max_age_s=60.0) as files:  # type: ignore[arg-type]
        for after_s in (300.0, 359.0, 360.0):
            clock.after_s = after_s
            files.add(some(1))
            files.flush()
    assert [len(list(read_recordings([path]))) for path in recordings_in(tmp_path, "slow")] == [2, 1]


def test_the_newest_files_of_the_same_prefix_are_kept(tmp_path: Path) -> None:
    others = {"feed.txt", "feed-a-20250101T000000.000000Z.cvrec.gz", "feed-20250101T000000Z.cvrec.gz"}
    older = ["feed-20250101T000000.000000Z.cvrec.gz", "feed-20250102T000000.000000Z.cvrec.gz"]
    for name in (*others, *older):
        (tmp_path / name).write_bytes(b"")
    clock = HandClock()
    with files_of(clock, tmp_path, max_bytes=1, max_files=3) as files:
        for number, kept in enumerate((older, older[1:], [], [])):
            clock.after_s = number
            files.add(some(1))
            files.flush()
            left = [path.name for path in recordings_in(tmp_path, "feed")]
            assert left[: len(kept)] == kept
            assert len(left) == 3
    assert others <= {path.name for path in tmp_path.iterdir()}


def test_the_file_that_is_being_written_is_kept_even_if_its_name_is_the_oldest(tmp_path: Path) -> None:
    later = tmp_path / "feed-20990101T000000.000000Z.cvrec.gz"
    later.write_bytes(b"")
    with files_of(HandClock(), tmp_path, max_files=1) as files:
        files.add(some(1))
    assert len(list(read_recordings(recordings_in(tmp_path, "feed")))) == 1
    assert not later.exists()


def test_a_folder_that_cannot_be_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = tmp_path / "file" / "folder"
    with pytest.raises(InputFileError, match=f"{folder}: cannot be written: Not a directory"):
        files_of(HandClock(), folder).__enter__()


_WRITES_TOO_MUCH = """\
import os, resource, sys
from pathlib import Path
from core.clock import SystemClock
from core.errors import InputFileError
from simulators.recorder_files import FileRules, RecordingFiles
from simulators.recording import RecordedMessage
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    with RecordingFiles(FileRules(Path(sys.argv[1])), SystemClock()) as files:
        for number in range(100):
            files.add([RecordedMessage(SystemClock().now(), "t", os.urandom(500))])
            files.flush()
except InputFileError as exc:
    print(files.messages, exc)
"""


def write_too_much(folder: Path, limit: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", _WRITES_TOO_MUCH, str(folder), str(limit)],
        cwd=REPO, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    count, _, complaint = done.stdout.partition(" ")
    return int(count), complaint


def test_a_disk_that_takes_no_more_leaves_a_file_of_whole_blocks(tmp_path: Path) -> None:
    written, complaint = write_too_much(tmp_path, 5_000)
    (path,) = recordings_in(tmp_path, "feed")
    assert complaint == f"{path}: cannot be written: File too large\n"
    assert 2 < written < 10
    assert len(list(read_recordings([path]))) == written
    assert path.stat().st_size < 5_000


def test_a_disk_that_takes_nothing_leaves_no_file(tmp_path: Path) -> None:
    written, complaint = write_too_much(tmp_path, 100)
    assert written == 0
    assert "cannot be written: File too large" in complaint
    assert list(tmp_path.iterdir()) == []


class Refusing(RecordingFiles):
    def add(self, messages: Sequence[RecordedMessage]) -> None:
        raise InputFileError("disk", None, f"is full before {len(messages)} messages")


def refusing(folder: Path) -> RecordingFiles:
    return Refusing(FileRules(folder), HandClock())


def test_what_the_thread_is_given_is_written_in_order_and_in_time(tmp_path: Path) -> None:
    messages = some(500)
    rules = FileRules(tmp_path, flush_s=0.05)
    with RecordingFiles(rules, HandClock()) as files, RecordingThread(files) as thread:
        thread.put(messages[:200])
        wait_until(lambda: files.messages == 200, 20, "the first batch is written although nothing follows")
        for at in range(200, 500, 3):
            thread.put(messages[at : at + 3])
        assert not thread.failed
    assert list(read_recordings(recordings_in(tmp_path, "feed"))) == messages


def put_until_it_fails(thread: RecordingThread) -> None:
    thread.put(some(1))
    wait_until(lambda: thread.failed, 20, "the failure")
    for _ in range(WAITING_BATCHES * 2):
        thread.put(some(1))


def test_who_reads_learns_that_writing_has_failed(tmp_path: Path) -> None:
    thread = RecordingThread(refusing(tmp_path))
    with pytest.raises(InputFileError, match="disk: is full"), thread:
        put_until_it_fails(thread)


def test_a_failure_that_nobody_has_met_is_raised_at_the_end(tmp_path: Path) -> None:
    thread = RecordingThread(refusing(tmp_path))
    with pytest.raises(InputFileError, match="disk: is full"), thread:
        thread.put(some(1))
