"""Finds the SQL text of a query by its name."""

from functools import cache
from importlib import resources


@cache
def query(name: str) -> bytes:
    """Return the text of `sql/queries/<name>.sql`.

    Bytes, because psycopg takes only literals as text: what is here is as fixed as a literal.

    Raises
    ------
    FileNotFoundError
        If there is no such query: a bug, found by the test that prepares each of them.
    """
    return resources.files("store.sql.queries").joinpath(f"{name}.sql").read_bytes()
