"""A small command that embeds both servers; the tests kill it in various ways.

Argument: data folder. It says where its servers are in one line of JSON, waits for Ctrl-C, and then says what the
database still answers.
"""

import json
import signal
import sys
from pathlib import Path

import psycopg

from cli.embedded import EmbeddedBroker, EmbeddedPostgres


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedBroker(folder / "broker") as broker:
        try:
            say({"url": postgres.url, "port": broker.port, "server": postgres.server_pid})
            signal.pause()
        except KeyboardInterrupt:
            with psycopg.connect(postgres.url) as connection:
                say(connection.execute("SELECT 'still here'").fetchone())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
