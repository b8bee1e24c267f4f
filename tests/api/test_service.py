"""The service's life: it starts, tells its address, and ends in time."""

import socket
import threading
import time

import httpx
import pytest

from api.errors import NotFoundError, answer_to, reason_of
from api.service import run
from core.errors import SchemaError, SettingsError, StoreUnavailableError, UnitError
from tests.api.served import StoppedClock, api_settings, serving


def test_a_free_port_is_picked_and_told(database_url: str) -> None:
    with serving(database_url) as url:
        assert httpx.get(f"{url}/health").json() == {"status": "ok"}
        assert not url.endswith(":0")


def test_it_ends_within_five_seconds_though_a_client_stays_connected(database_url: str) -> None:
    stop, urls = threading.Event(), list[str]()

    def end(url: str) -> None:
        urls.append(url)
        stop.set()

    arguments = (api_settings(), database_url, StoppedClock(), stop, end)
    thread = threading.Thread(target=run, args=arguments)
    thread.start()
    while not urls:
        thread.join(0.02)
    with socket.create_connection(("127.0.0.1", int(urls[0].rsplit(":", 1)[1]))):
        began_s = time.monotonic()
        thread.join(5)
        assert not thread.is_alive()
        assert time.monotonic() - began_s < 5


def test_a_stop_before_the_start_ends_at_once(database_url: str) -> None:
    stop = threading.Event()
    stop.set()
    run(api_settings(), database_url, StoppedClock(), stop)


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=str(port)):
            run(api_settings(port), "postgresql://", StoppedClock(), threading.Event())


@pytest.mark.parametrize(
    ("error", "status"), [(NotFoundError, 404), (StoreUnavailableError, 503), (SchemaError, 503), (UnitError, 500)]
)
def test_the_nearest_known_class_decides_the_status(error: type[Exception], status: int) -> None:
    below = type("Below", (error,), {})
    assert answer_to(error).status == answer_to(below).status == status


def test_a_lost_database_is_told_without_its_name() -> None:
    assert "db.internal" not in reason_of(StoreUnavailableError("the database is away: db.internal refused"))
