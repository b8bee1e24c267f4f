import re
import threading
from importlib import resources

import pytest

from core.errors import SchemaError
from store.database import Connection, connect
from store.migrate import check_schema, migrate, migrations

FILE_NAME = re.compile(r"\d{4}_[a-z][a-z_]*\.sql")


def test_files_are_numbered_from_one_without_gaps() -> None:
    names = [f.name for f in resources.files("store.sql.migrations").iterdir() if f.name != "__init__.py"]
    files = [name for name in names if not name.startswith("__")]
    assert [name for name in files if not FILE_NAME.fullmatch(name)] == []
    assert [m.number for m in migrations()] == list(range(1, len(files) + 1))


def test_a_second_run_finds_nothing_to_do(empty_database: str) -> None:
    with connect(empty_database, "tests") as connection:
        assert migrate(connection) == list(migrations())
        check_schema(connection)
        assert migrate(connection) == []
        check_schema(connection)


def test_of_two_starters_one_migrates_and_the_other_waits(empty_database: str) -> None:
    done: list[int] = []
    ready = threading.Barrier(2)

    def start() -> None:
        with connect(empty_database, "tests") as connection:
            ready.wait(30)
            done.append(len(migrate(connection)))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done) == [0, len(migrations())]


def test_a_database_without_a_schema_is_told_to_migrate(empty_database: str) -> None:
    with connect(empty_database, "tests") as connection, pytest.raises(SchemaError, match="run `cityvigil migrate`"):
        check_schema(connection)


@pytest.mark.parametrize("call", [migrate, check_schema])
def test_a_newer_schema_is_refused_in_plain_words(connection: Connection, call: type) -> None:
    connection.execute("insert into schema_migration (number, name, digest) values (9999, 'later', '')")
    with pytest.raises(SchemaError, match=r"has migration 9999, this version knows .*: update City Vigil"):
        call(connection)


@pytest.mark.parametrize("call", [migrate, check_schema])
def test_a_migration_that_was_changed_since_is_refused(connection: Connection, call: type) -> None:
    connection.execute("update schema_migration set digest = 'other' where number = 2")
    with pytest.raises(SchemaError, match="migration 2 differs"):
        call(connection)


def test_a_migration_that_fails_leaves_nothing_behind(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.errors import StoreError
    from store import migrate as module

    real = migrations()
    broken = module.Migration(len(real) + 1, "broken", b"create table half (); select 1 / 0")
    monkeypatch.setattr(module, "migrations", lambda: (*real, broken))
    with connect(empty_database, "tests") as connection:
        with pytest.raises(StoreError, match="division by zero"):
            migrate(connection)
        assert connection.execute("select to_regclass('asset'), to_regclass('half')").fetchone() == (None, None)
