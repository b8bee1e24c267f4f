"""Evaluations as processes of their own."""

from pathlib import Path

import psutil
import pytest

from benchmarks.scorecard.outcome import LIVE
from benchmarks.scorecard.running import Stopwatch, run_one
from tests.benchmarks.making import labelled, stand_in
from tests.wait import wait_until


class Timer:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def took(path: Path, seconds: float, kept: int, series: int = 10) -> float:
    timer = Timer()
    watch = Stopwatch(path, timer)
    timer.now_s = seconds
    return watch.finish(kept, series)


def killed_after(path: Path, seconds: float) -> None:
    timer = Timer()
    watch = Stopwatch(path, timer)
    timer.now_s = seconds
    watch.note()


def test_an_evaluation_in_one_go_takes_what_it_takes(tmp_path: Path) -> None:
    assert took(tmp_path / "a.json", 100.0, kept=0) == 100.0


def test_what_was_killed_counts(tmp_path: Path) -> None:
    killed_after(tmp_path / "a.json", 40.0)
    killed_after(tmp_path / "a.json", 30.0)
    assert took(tmp_path / "a.json", 20.0, kept=7) == 90.0


def test_an_evaluation_that_finds_everything_done_is_as_long_as_it_was(tmp_path: Path) -> None:
    assert took(tmp_path / "a.json", 100.0, kept=0) == 100.0
    assert took(tmp_path / "a.json", 2.0, kept=10) == 100.0
    assert took(tmp_path / "a.json", 2.0, kept=10) == 100.0


def test_what_was_done_with_other_code_does_not_count(tmp_path: Path) -> None:
    killed_after(tmp_path / "a.json", 40.0)
    assert took(tmp_path / "a.json", 100.0, kept=0) == 100.0
    killed_after(tmp_path / "a.json", 30.0)
    assert took(tmp_path / "a.json", 25.0, kept=5) == 55.0


def test_a_damaged_file_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    assert took(tmp_path / "a.json", 5.0, kept=3) == 5.0


def test_a_run_is_asked_for_its_set_and_detector_with_nothing_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYVIGIL_ALERTS__BUDGET", "99")
    body = """
finish()
print(*sys.argv[1:], file=sys.stderr)
print("CITYVIGIL_ALERTS__BUDGET" in os.environ, file=sys.stderr)
"""
    stand_in(tmp_path, monkeypatch, body)
    said: list[str] = []
    town = labelled(tmp_path / "town")
    found = run_one(town, "flat_line", tmp_path / "work", 3, said.append)
    out = tmp_path / "work" / "town" / "flat_line"
    assert said == [f"evaluate {town.folder} --out {out} --jobs 3 --detectors flat_line", "False"]
    assert found.summary is not None
    assert found.summary.measures == {"auc": 0.9, "ap": None}
    assert not found.failure
    run_one(town, LIVE, tmp_path / "work", 0, said.append)
    assert said[2].endswith("default --jobs 0")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit('noise\\ncityvigil: ' + sys.argv[2] + '/a.csv, line 3: no')", "a.csv, line 3: no"),
        ("sys.exit(4)", "ended with status 4"),
        ("os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("pass", "its summary cannot be read"),
    ],
)  # fmt: skip
def test_a_failure_says_why_and_names_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    stand_in(tmp_path, monkeypatch, body)
    found = run_one(labelled(tmp_path / "town"), "flat_line", tmp_path / "work", 0, lambda _: None)
    assert found.summary is None
    assert found.failure.startswith(reason)


def running(pid: int) -> bool:
    """Return whether a process is there and not merely waiting for its parent to notice its end."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_that_is_broken_off_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = """
import subprocess, time
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdin=subprocess.DEVNULL)
print(worker.pid, file=sys.stderr, flush=True)
time.sleep(600)
"""
    stand_in(tmp_path, monkeypatch, body)
    workers: list[int] = []

    def stop(line: str) -> None:
        workers.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_one(labelled(tmp_path / "town"), "flat_line", tmp_path / "work", 0, stop)
    assert workers
    wait_until(lambda: not running(workers[0]), 20.0, "the end of the worker")
