"""A database for a drill, empty each time."""

from psycopg.conninfo import make_conninfo

from store.database import connect, translated_errors
from store.queries import query

_NAME = "cityvigil_scratch"


def fresh_database(server_url: str) -> str:
    """Make an empty database on a server of our own, and return its connection string.

    What an earlier drill left in it is lost. Never to be called on a server that is not embedded.
    """
    with connect(server_url, "scratch") as connection, translated_errors():
        connection.execute(query("drop_scratch_database"))
        connection.execute(query("create_scratch_database"))
    return make_conninfo(server_url, dbname=_NAME)
