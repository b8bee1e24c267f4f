"""Every query is valid SQL on the schema, whatever its parameters."""

import re
from importlib import resources

import pytest

from store.database import Connection
from store.queries import query

NAMES = sorted(
    file.name.removesuffix(".sql")
    for file in resources.files("store.sql.queries").iterdir()
    if file.name.endswith(".sql")
)
NOT_PLANNED = ("analyze_", "copy_", "create_", "drop_", "insert_staged")
PLACEHOLDER = re.compile(r"%\((\w+)\)s")


@pytest.mark.parametrize("name", NAMES)
def test_the_first_line_says_what_the_query_is_for(name: str) -> None:
    assert re.match(rb"-- \S.{10,}", query(name))


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith(NOT_PLANNED)])
def test_the_database_can_plan_the_query(connection: Connection, name: str) -> None:
    text = query(name).decode()
    names = list(dict.fromkeys(PLACEHOLDER.findall(text)))
    numbered = PLACEHOLDER.sub(lambda found: f"${names.index(found[1]) + 1}", text).replace("%%", "%")
    connection.execute(f"prepare checked as {numbered}".encode())
    nulls = ", ".join(["null"] * len(names))
    connection.execute(f"explain execute checked{f' ({nulls})' if names else ''}".encode())


def test_staged_queries_work_inside_their_transaction(connection: Connection) -> None:
    with connection.transaction():
        connection.execute(query("create_reading_stage"))
        assert connection.execute(query("insert_staged_readings")).rowcount == 0
        assert connection.execute(query("insert_staged_conflicts")).fetchone() == (0, 0)
