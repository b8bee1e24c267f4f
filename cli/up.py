"""`cityvigil up`: everything on one machine, without Docker."""

import os
import threading
from contextlib import ExitStack

from rich.console import Console

from cli.running import announced
from cli.stack import SERVICES, free_port, open_stack
from cli.supervise import Supervisor
from core.settings import Settings, read_settings
from ingest.reservation import reserve_session
from store.database import connect
from store.migrate import migrate

_LOOK_S = 1.0


def run(settings: Settings, console: Console, stop: threading.Event) -> None:
    """Run database, broker and services until `stop` is set.

    Raises
    ------
    ChildEndedError
        If a service ends by itself.
    """
    with ExitStack() as opened:
        stack = opened.enter_context(open_stack(settings, settings.data_dir))
        with connect(stack.database_url, "up") as connection:
            migrate(connection)
        port = free_port(settings.api.host, settings.api.port)
        page_url = f"http://{settings.api.host}:{port}"
        stack = stack.with_settings(API__PORT=port, ALERTS__PAGE_URL=page_url)
        os.environ.update(stack.environment)
        reserve_session(read_settings().mqtt)
        opened.enter_context(announced(settings.data_dir, stack.environment))
        supervisor = opened.enter_context(Supervisor(settings.data_dir / "logs"))
        stack.start(supervisor, *SERVICES)
        console.print(f"broker: {stack.broker_host}:{stack.broker_port} (MQTT 5)")
        console.print(f"page:   {page_url}")
        while not stop.wait(_LOOK_S):
            supervisor.check()
