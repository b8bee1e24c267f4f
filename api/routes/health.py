"""For the machines that watch us: alive, ready, and the metrics."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from prometheus_client.exposition import choose_encoder

from api.context import Store
from api.metrics import registry_of
from api.models import HealthModel
from store.migrate import check_schema

router = APIRouter(tags=["health"])


@router.get("/health", summary="The process answers; asks no database")
def read_health() -> HealthModel:
    """Say that the process answers."""
    return HealthModel(status="ok")


@router.get("/ready", summary="The database answers and its schema is this version's")
def read_ready(store: Store) -> HealthModel:
    """Say that questions can be answered; otherwise the error says why not."""
    check_schema(store)
    return HealthModel(status="ready")


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def read_metrics(request: Request, accept: Annotated[str, Header()] = "") -> Response:
    """Return all metrics in the format that the scraper asks for."""
    encoder, content_type = choose_encoder(accept)
    return Response(encoder(registry_of(request)), headers={"Content-Type": content_type})
