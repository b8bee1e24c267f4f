"""A small command that supervises two children; the tests kill it. Argument: folder for their logs.

It says the children's process ids in one line of JSON and waits for Ctrl-C.
"""

import contextlib
import json
import signal
import sys
from pathlib import Path

from cli.supervise import Supervisor
from tests.cli.child import argv


def main(folder: Path) -> None:
    with Supervisor(folder) as supervisor:
        pids = [supervisor.start(name, argv(folder, name)) for name in ("first", "second")]
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdout.write(json.dumps(pids) + "\n")
            sys.stdout.flush()
            signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
