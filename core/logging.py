"""One way to log: a sentence for people, an action word for machines, fields with units in their names."""

import logging
import sys
from enum import StrEnum
from typing import cast

import structlog

from core.settings import LogSettings


class Action(StrEnum):
    """Stable words for what happened; `docs/logging.md` explains each."""

    SERVICE_STARTED = "service_started"
    SERVICE_STOPPED = "service_stopped"
    SERVICE_FAILED = "service_failed"
    MIGRATED = "migrated"
    BROKER_CONNECTED = "broker_connected"
    BROKER_LOST = "broker_lost"
    BATCH_COMMITTED = "batch_committed"
    STORE_LOST = "store_lost"
    MESSAGE_REJECTED = "message_rejected"
    HISTORY_STORED = "history_stored"
    MODELS_FITTED = "models_fitted"
    FIT_FAILED = "fit_failed"
    ROUND_JUDGED = "round_judged"
    ANOMALY_OPENED = "anomaly_opened"
    ANOMALY_ENDED = "anomaly_ended"
    ANOMALY_RETRACTED = "anomaly_retracted"
    INCIDENT_OPENED = "incident_opened"
    INCIDENT_RESOLVED = "incident_resolved"
    INCIDENT_REOPENED = "incident_reopened"
    MESSAGE_SENT = "message_sent"
    MESSAGE_DELAYED = "message_delayed"
    MESSAGE_FAILED = "message_failed"
    FAULT_INJECTED = "fault_injected"


class Log:
    """A bound logger that insists on an action."""

    def __init__(self, logger: structlog.stdlib.BoundLogger) -> None:
        self._logger = logger

    def debug(self, message: str, action: Action, **fields: object) -> None:
        """Log what only a developer wants to see."""
        self._logger.debug(message, action=action.value, **fields)

    def info(self, message: str, action: Action, **fields: object) -> None:
        """Log what an operator may want to see."""
        self._logger.info(message, action=action.value, **fields)

    def warning(self, message: str, action: Action, **fields: object) -> None:
        """Log what an operator should look at some time."""
        self._logger.warning(message, action=action.value, **fields)

    def error(self, message: str, action: Action, **fields: object) -> None:
        """Log what an operator must look at."""
        self._logger.error(message, action=action.value, **fields)


def configure_logging(settings: LogSettings) -> None:
    """Send all log lines of this process to standard error, in the form that the settings ask for."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def log_of(service: str) -> Log:
    """Return the logger of a service; `service` is part of each of its lines."""
    return Log(cast("structlog.stdlib.BoundLogger", structlog.get_logger().bind(service=service)))
