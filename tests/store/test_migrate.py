"""The schema moves forward, once, whoever asks first."""

import threading

import pytest

from core.errors import SchemaError
from store.database import connect
from store.migrate import check_schema, migrate, migrations


def test_migrations_are_numbered_from_one_without_gaps() -> None:
    numbers = [migration.number for migration in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_second_run_finds_nothing_to_do(empty_database: str) -> None:
    with connect(empty_database, "tests") as connection:
        assert [m.number for m in migrate(connection)] == [m.number for m in migrations()]
        assert migrate(connection) == []
        check_schema(connection)


def test_of_two_starters_one_migrates_and_the_other_waits(empty_database: str) -> None:
    applied: list[int] = []
    start = threading.Barrier(2)

    def begin() -> None:
        with connect(empty_database, "tests") as connection:
            start.wait()
            applied.append(len(migrate(connection)))

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [0, len(migrations())]


def test_a_database_that_was_never_migrated_says_what_to_do(empty_database: str) -> None:
    with connect(empty_database, "tests") as connection, pytest.raises(SchemaError, match="cityvigil migrate"):
        check_schema(connection)


def test_a_newer_schema_is_refused(database_url: str) -> None:
    with connect(database_url, "tests") as connection:
        connection.execute("insert into schema_migration (number, name, digest) values (9999, 'future', 'x')")
        for refuse in (check_schema, migrate):
            with pytest.raises(SchemaError, match="update City Vigil"):
                refuse(connection)


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(database_url: str) -> None:
    with connect(database_url, "tests") as connection:
        connection.execute("update schema_migration set digest = 'other' where number = 1")
        with pytest.raises(SchemaError, match="migration 1 differs"):
            check_schema(connection)


def test_a_failed_migration_leaves_nothing_behind(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from store import migrate as module

    good = migrations()[0]
    broken = module.Migration(2, "broken", b"create table half (); select 1 / 0")
    monkeypatch.setattr(module, "migrations", lambda: (good, broken))
    with connect(empty_database, "tests") as connection:
        with pytest.raises(Exception, match="division by zero"):
            migrate(connection)
        row = connection.execute("select to_regclass('half'), to_regclass('asset')").fetchone()
    assert row == (None, None)
