import os
import pwd
import shutil
from pathlib import Path

import pytest

from cli.embedded.account import ACCOUNT, Account, let_pass, let_read, server_account
from cli.embedded.guarded import GuardFailedError

NOBODY = pwd.struct_passwd(("nobody", "x", 65534, 65533, "", "/", "/bin/false"))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, pwd.struct_passwd]:
    """Make this process look like root's on a machine without `useradd`, with the accounts in the returned mapping."""
    accounts: dict[str, pwd.struct_passwd] = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", accounts.__getitem__)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    return accounts


def test_an_account_of_the_servers_own_is_preferred(machine: dict[str, pwd.struct_passwd], tmp_path: Path) -> None:
    machine["nobody"] = NOBODY
    machine[ACCOUNT] = pwd.struct_passwd((ACCOUNT, "x", 998, 997, "", "/", "/bin/false"))
    assert server_account(tmp_path / "none") == Account(998, 997)


def test_nobody_serves_where_no_account_can_be_made(machine: dict[str, pwd.struct_passwd], tmp_path: Path) -> None:
    machine["nobody"] = NOBODY
    assert server_account(tmp_path / "none") == Account(65534, 65533)


def test_a_machine_without_any_account_is_told_so(machine: dict[str, pwd.struct_passwd], tmp_path: Path) -> None:
    assert machine == {}
    with pytest.raises(GuardFailedError, match=ACCOUNT):
        server_account(tmp_path / "none")


def test_without_root_the_server_runs_as_ourselves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setattr(os, "getegid", lambda: 1235)
    assert server_account(tmp_path) == Account(1234, 1235)


def test_only_passing_is_granted_and_only_above(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner, outer):
        folder.chmod(0o700)
    let_pass(inner, Account(os.geteuid() + 1, 0))
    assert [folder.stat().st_mode & 0o777 for folder in (outer, inner)] == [0o701, 0o700]


def test_what_belongs_to_the_account_stays_as_it_is(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir(mode=0o700)
    let_pass(outer / "inner", Account(os.geteuid(), 0))
    assert outer.stat().st_mode & 0o777 == 0o700


def test_an_installation_becomes_readable_and_keeps_what_runs(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True, mode=0o700)
    modes = {"bin/program": 0o700, "bin/data": 0o600, "bin/open": 0o644}
    for name, mode in modes.items():
        (tree / name).write_text("")
        (tree / name).chmod(mode)
    let_read(tree)
    after = {path.relative_to(tree).as_posix(): path.stat().st_mode & 0o777 for path in tree.rglob("*")}
    assert after == {"bin": 0o705, "bin/program": 0o705, "bin/data": 0o604, "bin/open": 0o644}
