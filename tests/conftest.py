"""What all tests share."""

import os
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.fix_db", "tests.fix_broker"]

_DATABASE = "CITYVIGIL_DATABASE_URL"


@pytest.fixture(scope="session")
def outside_database_url() -> str | None:
    """Return the database that the developer wants the tests to run on; None means an embedded one."""
    return os.environ.get(_DATABASE)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment(outside_database_url: str | None) -> Iterator[None]:
    """Take the developer's own settings away; `outside_database_url` has read its one by then."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("CITYVIGIL_")]:
            patch.delenv(name)
        yield
