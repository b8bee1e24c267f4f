"""A running API service for tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from api.service import run
from core.clock import Clock
from core.settings import ApiSettings, Settings
from tests.wait import wait_until

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoppedClock:
    """A clock that always shows the same time."""

    time: datetime = NOW

    def now(self) -> datetime:
        """Return the time."""
        return self.time

    def to_wall_s(self, span_s: float) -> float:
        """Return the span itself."""
        return span_s


def api_settings(port: int = 0, max_points: int = 2_000) -> Settings:
    """Return settings of an API on a port of 127.0.0.1; 0 is a free one."""
    return Settings(api=ApiSettings(port=port, max_points=max_points))


@contextmanager
def serving(database_url: str, settings: Settings | None = None, clock: Clock | None = None) -> Iterator[str]:
    """Run the service in a thread and yield its URL."""
    stop = threading.Event()
    urls: list[str] = []
    arguments = (settings or api_settings(), database_url, clock or StoppedClock(), stop, urls.append)
    thread = threading.Thread(target=run, args=arguments, daemon=True)
    thread.start()
    try:
        wait_until(lambda: urls or not thread.is_alive(), 20, "the API listens")
        yield urls[0]
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()
