import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.lifeline import VARIABLE, watch_lifeline
from cli.supervise import ChildEndedError, Supervisor
from core.errors import PermanentError
from tests.cli.child import argv, events
from tests.cli.processes import is_running, processes_of
from tests.paths import REPO
from tests.wait import wait_until

SAFETY_NET_S = 30.0


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPO)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    wait_until(lambda: not processes_of(tmp_path), SAFETY_NET_S, "no child is left")


def until(folder: Path, event: str) -> None:
    wait_until(lambda: event in events(folder), SAFETY_NET_S, f"{event}; so far {events(folder)}")


def start_command(folder: Path) -> tuple["subprocess.Popen[bytes]", list[int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.supervisor", str(folder)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    pids = json.loads(process.stdout.readline())
    for name in ("first", "second"):
        until(folder, f"{name} ready")
    return process, pids


def test_children_stop_one_after_another_the_last_one_first(folder: Path) -> None:
    names = ["store", "ingest", "api"]
    with Supervisor(folder) as supervisor:
        for name in names:
            supervisor.start(name, argv(folder, name))
            until(folder, f"{name} ready")
        supervisor.check()
        assert supervisor.ended() == {}
    assert events(folder)[3:] == [
        "api told",
        "api gone",
        "ingest told",
        "ingest gone",
        "store told",
        "store gone",
    ]


def test_a_child_that_fails_is_named_with_its_status_and_last_words(folder: Path) -> None:
    with Supervisor(folder) as supervisor:
        supervisor.start("good", argv(folder, "good"))
        supervisor.start("bad", argv(folder, "bad", "fail"))
        until(folder, "good ready")
        with pytest.raises(
            ChildEndedError, match=r"bad ended with status 3; the end of .*bad\.log:\nno such thing"
        ) as e:
            wait_until(supervisor.check, SAFETY_NET_S, "the end of a child is noticed")
        assert e.value.statuses == {"bad": 3}
        assert isinstance(e.value, PermanentError)


def test_a_child_that_is_killed_is_named_with_the_signal(folder: Path) -> None:
    with Supervisor() as supervisor:
        pid = supervisor.start("engine", argv(folder, "engine"))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ChildEndedError, match=r"^engine ended by signal 9 \(Killed\)$"):
            wait_until(supervisor.check, SAFETY_NET_S, "the kill is noticed")


def test_a_child_that_does_not_obey_is_killed_with_what_it_started(folder: Path) -> None:
    with Supervisor(folder, stop_timeout_s=0.2) as supervisor:
        pid = supervisor.start("stubborn", argv(folder, "stubborn", "defy"))
        until(folder, "stubborn ready")
    started, *rest = events(folder)
    assert rest == ["stubborn ready", "stubborn told"]
    grandchild = int(started.removeprefix("stubborn started "))
    assert not is_running(pid)
    wait_until(lambda: not is_running(grandchild), SAFETY_NET_S, "the grandchild is gone")


def test_the_rest_is_killed_when_the_orderly_stop_is_broken_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Supervisor) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Supervisor, "stop", interrupted)
    with pytest.raises(KeyboardInterrupt), Supervisor(folder) as supervisor:
        pids = [supervisor.start(name, argv(folder, name)) for name in ("a", "b")]
    assert [is_running(pid) for pid in pids] == [False, False]


def test_kill_9_of_the_supervisor_ends_its_children_in_good_order(folder: Path) -> None:
    process, pids = start_command(folder)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(is_running(pid) for pid in pids), SAFETY_NET_S, "the children follow")
    assert {"first gone", "second gone"} <= set(events(folder))


def test_ctrl_c_reaches_the_supervisor_alone_and_ends_all_in_order(folder: Path) -> None:
    process, pids = start_command(folder)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=SAFETY_NET_S)
    assert process.returncode == 0
    assert [is_running(pid) for pid in pids] == [False, False]
    assert events(folder)[2:] == ["second told", "second gone", "first told", "first gone"]


def test_a_child_that_defies_is_killed_after_its_supervisor_is_gone(folder: Path) -> None:
    read_fd, write_fd = os.pipe()
    environment = {**os.environ, VARIABLE: f"{read_fd}:{os.getpid()}"}
    with subprocess.Popen(argv(folder, "deaf", "defy"), env=environment, pass_fds=(read_fd,)) as child:
        os.close(read_fd)
        until(folder, "deaf ready")
        os.close(write_fd)
        assert child.wait(SAFETY_NET_S) == -signal.SIGKILL
    started, *rest = events(folder)
    assert rest == ["deaf ready", "deaf told"]
    os.kill(int(started.removeprefix("deaf started ")), signal.SIGKILL)


def test_a_pipe_that_a_fork_keeps_open_does_not_keep_the_children_alive(folder: Path) -> None:
    script = (
        "import os, subprocess, sys, time\n"
        "read_fd, write_fd = os.pipe()\n"
        f"word = {{**os.environ, '{VARIABLE}': f'{{read_fd}}:{{os.getpid()}}'}}\n"
        "child = subprocess.Popen(sys.argv[1:], env=word, pass_fds=(read_fd,))\n"
        "fork = subprocess.Popen(['sleep', '600'], pass_fds=(write_fd,), stdout=subprocess.DEVNULL)\n"
        "print(child.pid, fork.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, *argv(folder, "child")], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child, fork = (int(word) for word in parent.stdout.readline().split())
    try:
        until(folder, "child ready")
        parent.kill()
        wait_until(lambda: not is_running(child), SAFETY_NET_S, "the changed parent is noticed")
        assert is_running(fork)
    finally:
        os.kill(fork, signal.SIGKILL)
        parent.communicate()


def test_a_process_without_a_supervisor_watches_nothing() -> None:
    assert watch_lifeline({}) is None


def test_names_are_used_once_and_only_inside_the_block(folder: Path) -> None:
    supervisor = Supervisor(folder)
    with pytest.raises(RuntimeError, match="only inside"):
        supervisor.start("early", argv(folder, "early"))
    with supervisor:
        supervisor.start("one", argv(folder, "one"))
        with pytest.raises(ValueError, match="one was started before"):
            supervisor.start("one", argv(folder, "one"))


def test_a_child_gets_the_environment_it_is_given(folder: Path) -> None:
    with Supervisor(folder) as supervisor:
        program = "import os; print(os.environ['GIVEN'], 'PATH' in os.environ)"
        supervisor.start("told", [sys.executable, "-c", program], {"GIVEN": "this"})
        wait_until(supervisor.ended, SAFETY_NET_S, "the child is done")
    assert (folder / "told.log").read_text() == "this False\n"
