"""Brings a database's schema to this version, one numbered file after the other."""

import hashlib
from dataclasses import dataclass
from importlib import resources

from core.errors import SchemaError
from store.database import Connection, translated_errors
from store.queries import query

_LOCK_KEY = 4_115_271_202
"""Advisory lock that makes one of several starters migrate while the others wait."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `sql/migrations`.

    Attributes
    ----------
    number
        Its place in the order, from 1, without gaps.
    name
        File name without the number and the suffix.
    text
        The SQL.
    """

    number: int
    name: str
    text: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the text: a migration that was applied must never change."""
        return hashlib.sha256(self.text).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """Return all migrations of this version, in order."""
    files = (f for f in resources.files("store.sql.migrations").iterdir() if f.name.endswith(".sql"))
    found = []
    for file in sorted(files, key=lambda f: f.name):
        number, _, name = file.name.removesuffix(".sql").partition("_")
        found.append(Migration(int(number), name, file.read_bytes()))
    return tuple(found)


def migrate(connection: Connection) -> list[Migration]:
    """Apply what is missing and return it; an empty list means that the schema was up to date.

    Several processes may call this at once: one applies, the others wait and find nothing to do.

    Raises
    ------
    SchemaError
        If the database is newer than this version, or a migration that it has applied was changed since.
    """
    with translated_errors(), connection.transaction():
        connection.execute(query("lock_schema"), {"key": _LOCK_KEY})
        connection.execute(query("create_schema_migration"))
        applied = _applied(connection)
        _check_history(applied)
        missing = [migration for migration in migrations() if migration.number not in applied]
        for migration in missing:
            connection.execute(migration.text)
            connection.execute(
                query("insert_schema_migration"),
                {"number": migration.number, "name": migration.name, "digest": migration.digest},
            )
    return missing


def check_schema(connection: Connection) -> None:
    """Refuse to work on a schema that is not this version's.

    Raises
    ------
    SchemaError
        Saying whether to run `cityvigil migrate` or to update City Vigil.
    """
    with translated_errors():
        row = connection.execute(query("select_schema_known")).fetchone()
        applied = _applied(connection) if row is not None and row[0] else {}
    _check_history(applied)
    missing = [migration.number for migration in migrations() if migration.number not in applied]
    if missing:
        raise SchemaError(f"the database lacks migration {missing[0]}: run `cityvigil migrate` first")


def _applied(connection: Connection) -> dict[int, str]:
    return dict(connection.execute(query("select_schema_migrations")))


def _check_history(applied: dict[int, str]) -> None:
    known = {migration.number: migration.digest for migration in migrations()}
    newer = sorted(set(applied) - set(known))
    if newer:
        raise SchemaError(
            f"the database has migration {newer[-1]}, this version knows {max(known)}: update City Vigil, or use "
            "another database"
        )
    for number, digest in applied.items():
        if digest != known[number]:
            raise SchemaError(f"migration {number} differs from the one that this database was made with")
