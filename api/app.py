"""The application: routes, errors, headers and the page, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from api.context import Context
from api.errors import add_error_handlers
from api.headers import GuardHeaders
from api.metrics import build_registry
from api.routes import health, incidents, readings, registry, status
from core.clock import Clock
from core.settings import Settings
from store.database import open_pool

STATIC = Path(__file__).parent / "static"
_POOL_CONNECTIONS = 8
_WORTH_COMPRESSING_BYTES = 1_024


def create_app(settings: Settings, database_url: str, clock: Clock) -> FastAPI:
    """Return the application; its pool of connections lives as long as its lifespan.

    It starts, and answers `/health`, while the database is away.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        with open_pool(database_url, "api", _POOL_CONNECTIONS) as pool:
            context = Context(settings, clock, pool)
            yield {"context": context, "metrics": build_registry(context)}

    app = FastAPI(
        title="City Vigil",
        summary="What is wrong in the city now, where, since when, and why we say so.",
        lifespan=lifespan,
        docs_url=None,  # both pages would load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.add_middleware(GZipMiddleware, minimum_size=_WORTH_COMPRESSING_BYTES)
    app.add_middleware(GuardHeaders)
    add_error_handlers(app)
    app.include_router(_versioned())
    app.include_router(health.router)
    app.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
    return app


def _versioned() -> APIRouter:
    router = APIRouter(prefix="/api/v1")
    for part in (incidents, registry, readings, status):
        router.include_router(part.router)
    return router


def _operation_id(route: APIRoute) -> str:
    return route.name
