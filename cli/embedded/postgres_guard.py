"""Runs the embedded PostgreSQL until the command that wants it is gone.

Arguments: process id of that command, data folder, extra settings as a JSON object.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cli.embedded.guarded import DataFolderInUseError, GuardFailedError, say, sole_use
from cli.embedded.postgres_server import Cluster, PostgresServer
from cli.lifeline import Lifeline

_WATCH_S = 60.0


def main(arguments: list[str]) -> int:
    """Start, wait, stop; return the exit status."""
    lifeline = Lifeline(int(arguments[0]))
    data_dir = Path(arguments[1])
    try:
        with sole_use(data_dir, lifeline) as announce_stop:
            return _serve(data_dir, json.loads(arguments[2]), lifeline, announce_stop)
    except DataFolderInUseError as exc:
        say(in_use=str(exc))
    except (GuardFailedError, OSError) as exc:
        say(failed=str(exc))
    return 1


def _serve(
    data_dir: Path, extra_settings: Mapping[str, str], lifeline: Lifeline, announce_stop: Callable[[], None]
) -> int:
    cluster = Cluster.prepare(data_dir, extra_settings)
    server = PostgresServer.start(cluster, lifeline)
    try:
        say(ready={"socket_dir": str(server.socket_dir), "port": server.port, "pid": server.pid})
        while server.is_alive() and not lifeline.wait(_WATCH_S):
            pass
        return 0 if server.is_alive() else 1
    finally:
        announce_stop()
        server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
