"""What all tests share."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

pytest_plugins = ["tests.fix_db", "tests.fix_broker"]

# How long an example takes says more of the machine, and of who else uses it, than of the code.
settings.register_profile("cityvigil", deadline=None)
settings.load_profile("cityvigil")

# Read by NumPy's and SciPy's libraries when they are loaded: small matrices are slower on many threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

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
