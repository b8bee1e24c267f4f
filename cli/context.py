"""What every command starts from: settings, clock, log, and a database to work on."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cli.embedded import EmbeddedPostgres
from cli.lifeline import watch_lifeline
from cli.running import running_environment
from core.logging import configure_logging
from core.settings import PREFIX, Settings, read_settings

_FOLDER = f"{PREFIX}DATA_DIR"


def load_settings(*, join: bool = True) -> Settings:
    """Read the settings.

    Parameters
    ----------
    join
        Take what is not set from a City Vigil that runs in the data folder, if one does.

    Raises
    ------
    SettingsError
        If a setting is unknown or holds what it must not.
    """
    settings = read_settings()
    if join and settings.database_url is None:
        running = running_environment(settings.data_dir)
        # The demo works in a folder of its own below the one that both commands were given.
        os.environ.update({name: value for name, value in running.items() if name not in os.environ or name == _FOLDER})
        settings = read_settings()
    configure_logging(settings.log)
    return settings


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the connection string of the database: the one that is set, else an embedded one in the data folder.

    Raises
    ------
    StoreUnavailableError
        If the embedded one does not start.
    DataFolderInUseError
        If another command uses the folder.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with EmbeddedPostgres(settings.data_dir / "postgres") as server:
        yield server.url


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C, SIGTERM or the end of the supervising command sets."""
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    watch_lifeline()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
