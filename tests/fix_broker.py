"""An MQTT broker for tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.embedded import EmbeddedBroker


@pytest.fixture(scope="session")
def broker() -> Iterator[tuple[str, int]]:
    """Yield host and port of a broker that speaks MQTT 5, one for each worker of the test run."""
    folder = Path(tempfile.mkdtemp(prefix="cityvigil-test-"))
    try:
        with EmbeddedBroker(folder) as running:
            yield running.host, running.port
    finally:
        shutil.rmtree(folder)
