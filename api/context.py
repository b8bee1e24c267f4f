"""What every route needs: settings, clock and the pool of connections."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from core.clock import Clock, SystemClock
from core.settings import Settings
from store.database import Connection, Pool, borrowed


@dataclass(frozen=True, slots=True)
class Context:
    """What the application owns while it runs."""

    settings: Settings
    clock: Clock
    pool: Pool

    @property
    def simulated(self) -> bool:
        """Whether the time shown is not the machine's own."""
        return not isinstance(self.clock, SystemClock)

    @property
    def speed(self) -> float:
        """Seconds of the clock per second of the machine."""
        return 1 / self.clock.to_wall_s(1.0)


def context_of(request: Request) -> Context:
    """Return the context that the application's lifespan has made."""
    return cast("Context", request.state.context)


Here = Annotated[Context, Depends(context_of)]
"""Parameter of a route that wants the context."""


def connection_of(context: Here) -> Iterator[Connection]:
    """Lend a connection for the length of one request."""
    with borrowed(context.pool) as connection:
        yield connection


Store = Annotated[Connection, Depends(connection_of)]
"""Parameter of a route that reads the database."""
