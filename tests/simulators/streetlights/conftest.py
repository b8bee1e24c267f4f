"""What the tests of street lighting share."""

import pytest

from simulators.streetlights import Streetlights
from tests.simulators.streetlights.parts import lights


@pytest.fixture(scope="session")
def tiny() -> Streetlights:
    return lights()
