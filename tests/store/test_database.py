"""Lost connections and refusals become our errors, and none of them shows a password."""

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from core.errors import StoreError, StoreUnavailableError
from store.database import Connection, borrowed, connect, open_pool, translated_errors

SECRET = "s3cret-pass-phrase"


def test_a_database_that_does_not_answer_is_unavailable_and_keeps_the_password() -> None:
    url = f"postgresql://cityvigil:{SECRET}@127.0.0.1:1/cityvigil"
    with pytest.raises(StoreUnavailableError) as raised:
        connect(url, "tests")
    assert SECRET not in str(raised.value)


def test_a_session_that_the_server_ends_is_unavailable(connection: Connection, database_url: str) -> None:
    with connect(database_url, "victim") as victim:
        connection.execute("select pg_terminate_backend(%s)", (victim.info.backend_pid,))
        with pytest.raises(StoreUnavailableError), translated_errors():
            victim.execute("select 1")


def test_a_refused_statement_names_table_and_constraint(connection: Connection) -> None:
    insert = "insert into asset (name, domain, kind) values ('pump-1', 'weather', 'pump')"
    with pytest.raises(StoreError, match=r"asset.*asset_domain_check"), translated_errors():
        connection.execute(insert)


def test_a_pool_without_a_server_is_unavailable_and_keeps_the_password(database_url: str) -> None:
    gone = make_conninfo(database_url, dbname="there_is_no_such_database", password=SECRET)
    assert conninfo_to_dict(gone)["password"] == SECRET
    with pytest.raises(StoreUnavailableError) as raised, open_pool(gone, "tests", 1) as pool, borrowed(pool):
        pass
    assert SECRET not in str(raised.value)


def test_sessions_live_in_utc(connection: Connection) -> None:
    assert connection.execute("show timezone").fetchone() == ("UTC",)
    assert connection.autocommit
    assert isinstance(connection, psycopg.Connection)
