import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import PoolTimeout

from core.errors import CityVigilError, StoreError, StoreUnavailableError
from store.database import Connection, borrowed, connect, open_pool, transaction, translated_errors

SECRET = "swordfish"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{SECRET}@127.0.0.1:1/none",
        f"host=127.0.0.1 port=1 user=u password={SECRET}",
        SECRET,
        f"postgresql://user:{SECRET} is two words",
        f"postgresql://user:{SECRET}/slash@127.0.0.1:1/none",
        f"postgresql://user:pass/{SECRET}@127.0.0.1:1/none",
        f"postgresql://user:a%zz{SECRET}@127.0.0.1:1/none",
        f"host=127.0.0.1 port={SECRET}",
    ],
)
def test_no_message_shows_a_password(url: str) -> None:
    with pytest.raises(CityVigilError) as caught:
        connect(url, "tests")
    shown: BaseException | None = caught.value
    while shown is not None:
        assert SECRET not in str(shown)
        shown = shown.__cause__


def test_an_absent_database_is_worth_another_try() -> None:
    with pytest.raises(StoreUnavailableError, match="the database is away"):
        connect("postgresql://127.0.0.1:1/none", "tests")


def test_a_lost_connection_is_worth_another_try_wherever_it_shows(database_url: str) -> None:
    with connect(database_url, "tests") as observer:
        for broken in (in_a_transaction, before_a_transaction):
            connection = connect(database_url, "victim")
            with pytest.raises(StoreUnavailableError):
                broken(connection, observer)
            connection.close()


def in_a_transaction(connection: Connection, observer: Connection) -> None:
    with transaction(connection):
        connection.execute("select 1")
        end(connection, observer)
        connection.execute("select 1")


def before_a_transaction(connection: Connection, observer: Connection) -> None:
    end(connection, observer)
    with transaction(connection):
        pass


def end(connection: Connection, observer: Connection) -> None:
    observer.execute("select pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (psycopg.errors.DeadlockDetected("two"), StoreUnavailableError),
        (psycopg.errors.AdminShutdown(), StoreUnavailableError),
        (psycopg.errors.DiskFull("full"), StoreUnavailableError),
        (psycopg.errors.ReadOnlySqlTransaction("standby"), StoreUnavailableError),
        (psycopg.InterfaceError("closed"), StoreUnavailableError),
        (PoolTimeout("busy"), StoreUnavailableError),
        (psycopg.errors.CheckViolation("no"), StoreError),
        (psycopg.errors.ProgramLimitExceeded("too long"), StoreError),
        (psycopg.errors.UndefinedTable("none"), StoreError),
    ],
)
def test_errors_say_whether_to_try_again(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught, translated_errors():
        raise raised
    assert type(caught.value) is expected


def test_a_refused_statement_names_what_refused_it(connection: Connection) -> None:
    with pytest.raises(StoreError, match=r"asset.*asset_domain_check"), translated_errors():
        connection.execute("insert into asset (name, domain, kind) values ('x', 'moon', 'dma')")


def test_sessions_are_in_utc_and_say_who_they_are(connection: Connection) -> None:
    assert connection.execute("show timezone").fetchone() == ("UTC",)
    assert connection.execute("show application_name").fetchone() == ("cityvigil tests",)


def test_a_pool_lends_connections_and_translates_their_errors(database_url: str) -> None:
    with open_pool(database_url, "tests", 2) as pool:
        with borrowed(pool) as one, borrowed(pool) as two:
            assert one.info.backend_pid != two.info.backend_pid
        with pytest.raises(StoreError), borrowed(pool) as connection:
            connection.execute("select no_such_column")


def test_a_pool_refuses_what_is_no_connection_string() -> None:
    with pytest.raises(StoreError) as caught, open_pool(make_conninfo(host="h") + f" {SECRET}", "tests", 1):
        pass
    assert SECRET not in str(caught.value)


def test_a_pool_without_a_server_is_unavailable_and_keeps_the_password(database_url: str) -> None:
    gone = make_conninfo(database_url, dbname="there_is_no_such_database", password=SECRET)
    with pytest.raises(StoreUnavailableError) as caught, open_pool(gone, "tests", 1) as pool, borrowed(pool):
        pass
    assert SECRET not in str(caught.value)
