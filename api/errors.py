"""Domain errors as HTTP answers: problem details, chosen by the error's class.

Source: RFC 9457, *Problem Details for HTTP APIs*.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from core.errors import CityVigilError, PermanentError, SchemaError, StoreUnavailableError

RETRY_AFTER_S = 5
"""Seconds after which a client may ask again when the database is away."""


class NotFoundError(PermanentError):
    """There is no such thing."""


class BadSpanError(PermanentError):
    """The span of time cannot be answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How an error is told.

    Attributes
    ----------
    status
        HTTP status.
    shows_message
        True where the error's own message is written for the caller; otherwise only what its class says is told,
        because the message may name hosts, users or statements.
    """

    status: HTTPStatus
    shows_message: bool = False


_ANSWERS: Mapping[type[BaseException], Answer] = {
    NotFoundError: Answer(HTTPStatus.NOT_FOUND, shows_message=True),
    BadSpanError: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, shows_message=True),
    SchemaError: Answer(HTTPStatus.SERVICE_UNAVAILABLE, shows_message=True),
    StoreUnavailableError: Answer(HTTPStatus.SERVICE_UNAVAILABLE),
    CityVigilError: Answer(HTTPStatus.INTERNAL_SERVER_ERROR),
}


def answer_to(error: type[BaseException]) -> Answer:
    """Return how an error of this class, or of the nearest known class above it, is told."""
    return next(
        (_ANSWERS[kind] for kind in error.__mro__ if kind in _ANSWERS), Answer(HTTPStatus.INTERNAL_SERVER_ERROR)
    )


def reason_of(error: CityVigilError) -> str:
    """Return what a caller may know of an error."""
    if answer_to(type(error)).shows_message:
        return str(error)
    return str(type(error)())


def problem(
    status: HTTPStatus, detail: str, path: str, headers: Mapping[str, str] | None = None, **members: Any
) -> JSONResponse:
    """Return a problem document; `members` are its extension members."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, "instance": path}
    return JSONResponse({**body, **members}, status.value, headers, media_type="application/problem+json")


def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that ended in one of our own errors."""
    if not isinstance(error, CityVigilError):
        raise error
    status = answer_to(type(error)).status
    away = status is HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": str(RETRY_AFTER_S)} if away else None
    return problem(status, reason_of(error), request.url.path, headers)


def answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Answer a request for which there is no route, method or file."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    return problem(status, status.description or status.phrase, request.url.path, error.headers)


def answer_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """Answer a request with a parameter that is missing or out of range; its value is not repeated."""
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [{"parameter": str(fault["loc"][-1]), "reason": fault["msg"]} for fault in error.errors()]
    detail = "; ".join(f"{fault['parameter']}: {fault['reason']}" for fault in faults)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, request.url.path, faults=faults)


def add_error_handlers(app: FastAPI) -> None:
    """Make the application answer every error with a problem document."""
    app.add_exception_handler(CityVigilError, answer_error)
    app.add_exception_handler(HTTPException, answer_http_exception)
    app.add_exception_handler(RequestValidationError, answer_invalid_request)
