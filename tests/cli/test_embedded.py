import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from cli.embedded import DataFolderInUseError, EmbeddedBroker, EmbeddedPostgres
from cli.embedded.account import server_account
from core.errors import BrokerUnavailableError, StoreUnavailableError
from tests.cli.processes import is_running, processes_of
from tests.fix_db import IN_A_HURRY
from tests.paths import REPO
from tests.wait import wait_until

SAFETY_NET_S = 60.0
NOBODY = 65534

Start = Callable[[Sequence[str]], tuple["subprocess.Popen[bytes]", dict[str, Any]]]


@pytest.fixture
def folder() -> Iterator[Path]:
    # Short, so that the socket fits beside the data; and outside pytest's folder, which it closes to other accounts.
    made = Path(tempfile.mkdtemp(prefix="cityvigil-test-"))
    yield made
    wait_until(lambda: not processes_of(made), SAFETY_NET_S, "everything that worked in the folder is gone")
    shutil.rmtree(made)


@pytest.fixture
def start_command(folder: Path) -> Iterator[Start]:
    """Yield a function that starts tests.cli.command, behind a prefix, and returns it with its first line."""
    started: list[subprocess.Popen[bytes]] = []

    def start(prefix: Sequence[str] = ()) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
        argv = [*prefix, sys.executable, "-m", "tests.cli.command", str(folder)]
        process = subprocess.Popen(argv, cwd=REPO, stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def quick(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder / "postgres", IN_A_HURRY)


def ask(url: str, query: str) -> Any:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def setting(url: str, name: str) -> str:
    [(value,)] = ask(url, f"SHOW {name}")
    return str(value)


def keep_a_row(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def test_committed_work_is_durable_unless_told_otherwise(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres") as server:
        assert [setting(server.url, name) for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on"] * 3
    with EmbeddedPostgres(folder / "postgres", {"synchronous_commit": "off"}) as server:
        assert setting(server.url, "synchronous_commit") == "off"


def test_sorts_the_same_on_every_machine(folder: Path) -> None:
    with quick(folder) as server:
        assert ask(server.url, "SELECT w FROM unnest(ARRAY['é', 'a', 'Z', 'z']) AS w ORDER BY w") == [
            ("Z",),
            ("a",),
            ("z",),
            ("é",),
        ]
        assert ask(server.url, "SELECT upper('ștefan')") == [("ȘTEFAN",)]


def test_a_restart_keeps_the_data_and_the_address(folder: Path) -> None:
    with quick(folder) as server:
        keep_a_row(server.url)
        url = server.url
    assert processes_of(folder) == []
    with quick(folder) as server:
        assert server.url == url
        assert ask(url, "SELECT answer FROM kept") == [(42,)]


def test_listens_on_no_network_address_and_lets_no_other_account_in(folder: Path) -> None:
    with quick(folder) as server:
        assert setting(server.url, "listen_addresses") == ""
        owner = psutil.Process(server.server_pid).uids().real
        socket_folder = (folder / "postgres" / "socket").stat()
        assert (socket_folder.st_uid, socket_folder.st_mode & 0o777) == (owner, 0o700)


def test_the_environment_of_the_user_does_not_move_the_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with quick(folder) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("name", ["it's a/quo\"te/per%cent/ünï", "com,ma", "x" * 100 + "/" + "y" * 100])
def test_any_folder_will_do(folder: Path, name: str) -> None:
    deep = folder / name
    with quick(deep) as server:
        keep_a_row(server.url)
        assert ask(server.url, "SELECT answer FROM kept") == [(42,)]


def test_a_socket_outside_the_data_folder_is_taken_away_again(folder: Path) -> None:
    with quick(folder / ("x" * 150)) as server:
        [(outside,)] = ask(server.url, "SELECT trim('\"' FROM current_setting('unix_socket_directories'))")
        assert Path(outside).is_dir()
        assert not Path(outside).is_relative_to(folder)
    assert not Path(outside).exists()


def test_a_second_command_is_turned_away_from_a_folder_in_use(folder: Path) -> None:
    with quick(folder) as server:
        with pytest.raises(DataFolderInUseError, match="in use by another running command"), quick(folder):
            pass
        assert ask(server.url, "SELECT 1") == [(1,)]
    with EmbeddedBroker(folder) as broker:
        with pytest.raises(DataFolderInUseError, match="in use by another running command"), EmbeddedBroker(folder):
            pass
        broker.check()


def test_kill_9_of_the_command_takes_everything_with_it(folder: Path, start_command: Start) -> None:
    process, _ = start_command([])
    names = {each.name() for each in processes_of(folder)}
    assert "postgres" in names
    process.kill()
    process.wait()
    wait_until(lambda: not processes_of(folder), SAFETY_NET_S, "nothing is left of a killed command")


def test_the_next_command_takes_over_at_once_after_a_kill_9(folder: Path, start_command: Start) -> None:
    process, first = start_command([])
    keep_a_row(first["url"])
    process.kill()
    _, second = start_command([])
    assert ask(second["url"], "SELECT answer FROM kept") == [(42,)]


def test_ctrl_c_ends_the_servers_after_the_command(folder: Path, start_command: Start) -> None:
    process, _ = start_command([])
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=SAFETY_NET_S)
    assert (json.loads(said), process.returncode) == (["still here"], 0)
    assert processes_of(folder) == []
    assert "database system is shut down" in (folder / "postgres" / "server.log").read_text()


def test_kill_9_of_the_guard_takes_the_server_with_it(folder: Path) -> None:
    with quick(folder) as server:
        keep_a_row(server.url)
        os.kill(server.guard_pid, signal.SIGKILL)
        wait_until(lambda: not is_running(server.server_pid), SAFETY_NET_S, "the server follows its guard")
        with pytest.raises(StoreUnavailableError, match="ended"):
            server.check()
    with quick(folder) as server:
        assert ask(server.url, "SELECT answer FROM kept") == [(42,)]


def test_kill_9_of_the_server_is_reported_and_recovered_from(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres") as server:
        keep_a_row(server.url)
        os.kill(server.server_pid, signal.SIGKILL)
        with pytest.raises(StoreUnavailableError, match=r"ended; the end of .*server\.log"):
            wait_until(server.check, SAFETY_NET_S, "the death is noticed")
    with EmbeddedPostgres(folder / "postgres") as server:
        assert ask(server.url, "SELECT answer FROM kept") == [(42,)]


def test_a_process_id_given_to_another_program_does_not_block_the_start(folder: Path) -> None:
    with quick(folder) as server:
        keep_a_row(server.url)
        pid_file = folder / "postgres" / "pgdata" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        account = pid_file.stat()
    with subprocess.Popen(["sleep", "600"], user=account.st_uid) as stranger:
        try:
            pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
            os.chown(pid_file, account.st_uid, account.st_gid)
            with quick(folder) as server:
                assert ask(server.url, "SELECT answer FROM kept") == [(42,)]
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_server_that_outlived_its_guard_is_replaced(folder: Path) -> None:
    with quick(folder) as server:
        keep_a_row(server.url)
        orphan = _start_orphan(server)
    with quick(folder) as server:
        assert not is_running(orphan)
        assert ask(server.url, "SELECT answer FROM kept") == [(42,)]


def _start_orphan(server: EmbeddedPostgres) -> int:
    """Put a server on the same data that no guard looks after, as on systems without a parent death signal."""
    arguments = psutil.Process(server.server_pid).cmdline()
    uid, gid = psutil.Process(server.server_pid).uids().real, psutil.Process(server.server_pid).gids().real
    server.__exit__(None, None, None)
    # Another process in between, so that the orphan is not ours to reap.
    launch = (
        "import subprocess, sys; who = [int(number) for number in sys.argv[1:3]];"
        "print(subprocess.Popen(sys.argv[3:], user=who[0], group=who[1], stdout=2).pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", launch, str(uid), str(gid), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    orphan = int(done.stdout)
    pid_file = Path(arguments[2]) / "postmaster.pid"
    wait_until(lambda: pid_file.exists() and "ready" in pid_file.read_text(), SAFETY_NET_S, "the orphan is ready")
    return orphan


def test_a_half_made_cluster_is_made_anew(folder: Path) -> None:
    draft = folder / "postgres" / "pgdata.draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    with quick(folder) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]
    assert not draft.exists()


def test_a_setting_that_postgresql_refuses_is_shown_with_its_log(folder: Path) -> None:
    broken = EmbeddedPostgres(folder / "postgres", {"shared_buffers": "much"})
    with pytest.raises(StoreUnavailableError, match='invalid value for parameter "shared_buffers"'), broken:
        pass


def test_a_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match="file"), EmbeddedPostgres(folder / "file"):
        pass
    with pytest.raises(BrokerUnavailableError, match="file"), EmbeddedBroker(folder / "file"):
        pass


def test_what_does_not_run_says_so(folder: Path) -> None:
    server, broker = quick(folder), EmbeddedBroker(folder)
    with pytest.raises(StoreUnavailableError, match="not running"):
        _ = server.url
    with pytest.raises(BrokerUnavailableError, match="not running"):
        _ = broker.port
    assert processes_of(folder) == []


def test_runs_under_an_account_without_rights(folder: Path, start_command: Start) -> None:
    prefix: list[str] = []
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        prefix = _without_rights()
    process, first = start_command(prefix)
    me = NOBODY if os.geteuid() == 0 else os.geteuid()
    assert psutil.Process(process.pid).uids().real == me
    assert psutil.Process(first["server"]).uids().real == me
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=SAFETY_NET_S)
    assert (json.loads(said), process.returncode) == (["still here"], 0)


def _without_rights() -> list[str]:
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    # An interpreter below root's own home needs the one right to walk there.
    walk = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    reachable = all(above.stat().st_mode & 0o001 for above in Path(sys.executable).resolve().parents)
    return prefix if reachable else [*prefix, *walk]


def test_root_is_not_refused(folder: Path) -> None:
    with quick(folder) as server:
        uid = psutil.Process(server.server_pid).uids().real
        assert (uid == 0, uid == os.geteuid()) == (False, os.geteuid() != 0)


def test_a_closed_folder_above_the_data_becomes_passable_but_not_readable(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with quick(closed) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]
    assert closed.stat().st_mode & 0o777 == (0o701 if os.geteuid() == 0 else 0o700)


def test_data_of_root_are_refused_with_the_reason(folder: Path) -> None:
    pgdata = folder / "postgres" / "pgdata"
    pgdata.mkdir(parents=True)
    account = server_account(folder / "none")
    if account.is_ours:
        assert server_account(pgdata) == account
    else:
        with pytest.raises(StoreUnavailableError, match="pgdata belongs to root"), quick(folder):
            pass


def test_root_serves_the_data_of_another_account_as_that_account(folder: Path) -> None:
    with quick(folder) as server:
        keep_a_row(server.url)
    if os.geteuid() == 0:
        for path in [folder / "postgres" / "pgdata", *(folder / "postgres" / "pgdata").rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
    with quick(folder) as server:
        assert ask(server.url, "SELECT answer FROM kept") == [(42,)]
        owner = (folder / "postgres" / "pgdata").stat().st_uid
        assert psutil.Process(server.server_pid).uids().real == owner
