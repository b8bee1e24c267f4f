"""A whole City Vigil on one machine: database and broker, embedded unless they are set, and the services beside it."""

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cli.embedded import EmbeddedBroker, EmbeddedPostgres
from cli.supervise import Supervisor
from core.settings import PREFIX, Settings

SERVICES = ("ingest", "engine", "alerts", "api")
"""In the order in which a reading passes them; they are stopped in the reverse of it."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs, and how to reach it.

    Attributes
    ----------
    database_url
        Connection string; may hold a password.
    environment
        Settings for every process that is to work with it.
    """

    database_url: str
    broker_host: str
    broker_port: int
    environment: Mapping[str, str]

    def with_database(self, database_url: str) -> "Stack":
        """Return the same stack on another database."""
        environment = {**self.environment, f"{PREFIX}DATABASE_URL": database_url}
        return Stack(database_url, self.broker_host, self.broker_port, environment)

    def with_clock(self, origin: datetime, started_at: datetime, speed: float) -> "Stack":
        """Return the same stack on a clock of its own."""
        clock = {
            f"{PREFIX}CLOCK__ORIGIN": origin.isoformat(),
            f"{PREFIX}CLOCK__STARTED_AT": started_at.isoformat(),
            f"{PREFIX}CLOCK__SPEED": str(speed),
        }
        return Stack(self.database_url, self.broker_host, self.broker_port, {**self.environment, **clock})

    def with_settings(self, **settings: object) -> "Stack":
        """Return the same stack with other settings, written as their variables without the prefix."""
        more = {f"{PREFIX}{name}": str(value) for name, value in settings.items()}
        return Stack(self.database_url, self.broker_host, self.broker_port, {**self.environment, **more})

    def start(self, supervisor: Supervisor, *names: str) -> None:
        """Start services as processes of their own."""
        for name in names:
            self.run(supervisor, name, name)

    def run(self, supervisor: Supervisor, name: str, *arguments: str) -> None:
        """Start any `cityvigil` command as a process of its own."""
        supervisor.start(name, [sys.executable, "-m", "cli.main", *arguments], {**os.environ, **self.environment})


@contextmanager
def open_stack(settings: Settings, folder: Path) -> Iterator[Stack]:
    """Start database and broker where none is set.

    Parameters
    ----------
    folder
        Where the embedded ones keep their data; made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        if settings.database_url is None:
            database_url = opened.enter_context(EmbeddedPostgres(folder / "postgres")).url
        else:
            database_url = settings.database_url.get_secret_value()
        host, port = settings.mqtt.host, settings.mqtt.port
        if not broker_is_set():
            broker = opened.enter_context(EmbeddedBroker(folder / "broker"))
            host, port = broker.host, broker.port
        environment = {
            f"{PREFIX}DATA_DIR": str(folder.absolute()),
            f"{PREFIX}DATABASE_URL": database_url,
            f"{PREFIX}MQTT__HOST": host,
            f"{PREFIX}MQTT__PORT": str(port),
        }
        yield Stack(database_url, host, port, environment)


def broker_is_set() -> bool:
    """Return whether the environment names a broker of the user's own."""
    return any(f"{PREFIX}MQTT__{part}" in os.environ for part in ("HOST", "PORT"))


def free_port(host: str, wanted: int) -> int:
    """Return the wanted port if nobody listens on it, else one that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted
