"""Databases for tests."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cli.embedded import EmbeddedPostgres
from store.database import Connection, connect
from store.migrate import migrate

IN_A_HURRY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""Settings for data that nobody will miss after a power cut."""


@pytest.fixture(scope="session")
def postgres_url(outside_database_url: str | None) -> Iterator[str]:
    """Yield the connection string of a server: the one that is set, else one for each worker of the test run."""
    if outside_database_url is not None:
        yield outside_database_url
        return
    # Not below pytest's own folder, which another run of pytest closes to the server's account.
    folder = Path(tempfile.mkdtemp(prefix="cityvigil-test-"))
    try:
        with EmbeddedPostgres(folder, IN_A_HURRY) as server:
            yield server.url
    finally:
        shutil.rmtree(folder)


@contextmanager
def _database(server: str, template: str = "template1") -> Iterator[str]:
    """Make a database with a name of its own, and drop it again."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    try:
        yield make_conninfo(server, dbname=name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[str]:
    """Yield the connection string of a fresh database without a schema."""
    with _database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def _template(postgres_url: str) -> Iterator[str]:
    """Yield the name of a database with the schema, to copy: that takes a tenth of migrating each time."""
    with _database(postgres_url) as url:
        with connect(url, "tests") as connection:
            migrate(connection)
        yield str(conninfo_to_dict(url)["dbname"])


@pytest.fixture
def database_url(postgres_url: str, _template: str) -> Iterator[str]:
    """Yield the connection string of a fresh database with the schema."""
    with _database(postgres_url, _template) as url:
        yield url


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Yield a connection to a fresh database with the schema."""
    with connect(database_url, "tests") as opened:
        yield opened
