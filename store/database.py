"""Connections, and the one place where psycopg's errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from core.errors import StoreError, StoreUnavailableError

Connection = psycopg.Connection[TupleRow]
Pool = ConnectionPool[Connection]

_CONNECT_TIMEOUT_S = 10
_SESSION: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": _CONNECT_TIMEOUT_S,
    "options": "-c timezone=UTC",
    # A network that swallows packets must not hold a statement for the two hours that TCP would wait by itself.
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn psycopg's errors into `StoreUnavailableError` (try again) or `StoreError` (do not).

    Neither shows the connection string, which may hold a password.
    """
    try:
        yield
    except (PoolTimeout, PoolClosed, TooManyRequests) as exc:
        raise StoreUnavailableError("no connection to the database was free in time") from exc
    except psycopg.errors.ProgramLimitExceeded as exc:
        # psycopg files it under operational errors, but a value that an index cannot hold stays too large.
        raise StoreError(_describe(exc)) from exc
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction) as exc:
        raise StoreUnavailableError(f"the database is away: {_first_line(exc)}") from exc
    except psycopg.Error as exc:
        raise StoreError(_describe(exc)) from exc


def _first_line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return lines[0] if lines else type(exc).__name__


def _describe(exc: psycopg.Error) -> str:
    named = [name for name in (exc.diag.table_name, exc.diag.constraint_name) if name]
    return f"the database refused a statement: {_first_line(exc)}" + (f" ({', '.join(named)})" if named else "")


def check_url(url: str) -> None:
    """Refuse what is no connection string, in words of our own: libpq's quote the piece that it stumbled on.

    Raises
    ------
    StoreError
        That shows nothing of it, for the piece may be a password's.
    """
    try:
        ports = str(conninfo_to_dict(url).get("port") or "")
    except psycopg.Error:
        raise StoreError("the database's connection string is none that PostgreSQL understands") from None
    # A slash in a password that is not percent-encoded ends up here.
    if not all(port.isdigit() for port in ports.split(",") if port):
        raise StoreError("the port in the database's connection string is no number")


def connect(url: str, application: str) -> Connection:
    """Open one connection in autocommit mode: each transaction is asked for by name.

    Parameters
    ----------
    url
        libpq connection string or URL.
    application
        Shown to whoever lists the database's sessions.

    Raises
    ------
    StoreUnavailableError
        If the database does not answer within 10 seconds.
    StoreError
        If the connection string is none.
    """
    check_url(url)
    with translated_errors():
        return psycopg.connect(url, application_name=f"cityvigil {application}", **_SESSION)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Open a transaction that commits at the end of the block, with the errors of both translated."""
    with translated_errors(), connection.transaction():
        yield


@contextmanager
def open_pool(url: str, application: str, size: int) -> Iterator[Pool]:
    """Keep up to `size` connections for threads that read, and close them at the end."""
    check_url(url)
    session = {**_SESSION, "application_name": f"cityvigil {application}"}
    with translated_errors():
        pool: Pool = ConnectionPool(url, kwargs=session, min_size=1, max_size=size, timeout=5.0, open=False)
        pool.open()
    try:
        yield pool
    finally:
        pool.close()


@contextmanager
def borrowed(pool: Pool) -> Iterator[Connection]:
    """Lend a connection of the pool, with its errors translated."""
    with translated_errors(), pool.connection() as connection:
        yield connection
