"""The `cityvigil api` service: the application behind uvicorn, until it is told to stop."""

import socket
import threading
from collections.abc import Callable

import uvicorn

from api.app import create_app
from core.clock import Clock
from core.errors import CityVigilError, SettingsError
from core.logging import Action, log_of
from core.settings import ApiSettings, Settings

GRACE_S = 3
"""Seconds that open requests have to end; what is left of the five goes to closing the pool."""

_LOOK_S = 0.1
_JOIN_S = 5.0


def run(
    settings: Settings,
    database_url: str,
    clock: Clock,
    stop: threading.Event,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """Serve until `stop` is set; then end within five seconds.

    Parameters
    ----------
    on_listening
        Told the service's URL once it listens.

    Raises
    ------
    SettingsError
        If the address or port cannot be listened on.
    CityVigilError
        If the server ended by itself.
    """
    say = log_of("api")
    listener = _listen(settings.api)
    url = _url(listener)
    server = _server(settings, database_url, clock)
    # Beside the caller's thread, because there uvicorn leaves the process's signal handlers alone.
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api", daemon=True)
    thread.start()
    try:
        _wait(thread, lambda: server.started or stop.is_set())
        if server.started:
            say.info("listening", Action.SERVICE_STARTED, url=url)
            if on_listening is not None:
                on_listening(url)
        _wait(thread, lambda: stop.wait(_LOOK_S))
        if not stop.is_set():
            raise CityVigilError("the server ended by itself")
    finally:
        server.should_exit = True
        thread.join(_JOIN_S)
        listener.close()
        say.info("stopped", Action.SERVICE_STOPPED)


def _wait(thread: threading.Thread, done: Callable[[], bool]) -> None:
    while thread.is_alive() and not done():
        thread.join(_LOOK_S / 10)


def _listen(settings: ApiSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen()
    except OSError as exc:
        listener.close()
        raise SettingsError(f"cannot listen on {settings.host} port {settings.port}: {exc.strerror or exc}") from exc
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(settings: Settings, database_url: str, clock: Clock) -> uvicorn.Server:
    config = uvicorn.Config(
        create_app(settings, database_url, clock),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)
