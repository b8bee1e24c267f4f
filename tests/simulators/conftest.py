"""What the simulator's tests share."""

import pytest

from simulators.city import City, build_city


@pytest.fixture(scope="session")
def city() -> City:
    return build_city("tiny", seed=7)
