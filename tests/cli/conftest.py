"""What the command's tests share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.embedded import EmbeddedBroker
from tests.cli.processes import processes_of
from tests.wait import wait_until

_GONE_S = 60.0


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Yield a folder for embedded servers; in the end nothing may run in it any more."""
    # Short, so that the socket fits beside the data; and outside pytest's folder, which it closes to other accounts.
    made = Path(tempfile.mkdtemp(prefix="cityvigil-test-"))
    yield made
    wait_until(lambda: not processes_of(made), _GONE_S, "everything that worked in the folder is gone")
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def own_broker() -> Iterator[tuple[str, int]]:
    """Yield a broker that holds nothing of other tests."""
    folder = Path(tempfile.mkdtemp(prefix="cityvigil-test-"))
    with EmbeddedBroker(folder) as running:
        yield running.host, running.port
    shutil.rmtree(folder)
