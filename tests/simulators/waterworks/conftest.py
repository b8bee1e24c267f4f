"""What the water department's tests share."""

import pytest

from simulators.waterworks import SMALL, TINY, Waterworks
from tests.simulators.waterworks.making import built


@pytest.fixture(scope="session")
def tiny() -> Waterworks:
    return built(TINY)


@pytest.fixture(scope="session")
def small() -> Waterworks:
    return built(SMALL)
