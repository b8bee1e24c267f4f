"""Towns and what fits their models."""

from collections.abc import Iterator

import pytest

from engine import fitting
from store.database import Connection, connect
from tests.engine.town import FitCache, InPlace, in_place
from tests.fix_db import _database


@pytest.fixture(scope="session")
def fit_cache() -> FitCache:
    return FitCache()


@pytest.fixture
def fitter(fit_cache: FitCache, monkeypatch: pytest.MonkeyPatch) -> Iterator[InPlace]:
    """Yield a fitter that fits in this process, each history once in the whole run."""
    monkeypatch.setattr(fitting, "fit_asset", fit_cache)
    with in_place() as opened:
        yield opened


@pytest.fixture
def other_connection(postgres_url: str, _template: str) -> Iterator[Connection]:
    """Yield a connection to a second fresh database."""
    with _database(postgres_url, _template) as url, connect(url, "tests") as opened:
        yield opened
