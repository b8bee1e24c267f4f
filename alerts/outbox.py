"""Sends what the outbox holds: at least once, with a key by which a receiver knows a repeat."""

import logging
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Protocol

import httpx

from core.clock import Clock
from core.errors import PermanentError, TransientError
from core.logging import Action, Log
from core.settings import AlertSettings
from store.database import Connection, transaction
from store.incidents import OutboxMessage, due_messages, mark_delayed, mark_sent

_FIRST_RETRY_S = 2.0
_LONGEST_RETRY_S = 900.0
_MOST_AT_ONCE = 100
"""Messages in one round, so that the service can look up, and be stopped, in between."""
_TRY_AGAIN_LATER = frozenset({408, 425, 429})


class DeliveryDelayedError(TransientError):
    """The channel did not take the message now."""


class DeliveryRefusedError(PermanentError):
    """The channel will never take the message."""


class Channel(Protocol):
    """A way to people or to their programs."""

    @property
    def name(self) -> str:
        """Names the channel in the outbox."""
        ...

    def send(self, key: str, body: Mapping[str, Any]) -> None:
        """Hand over one message.

        Parameters
        ----------
        key
            The same for each repeat of the same message.

        Raises
        ------
        DeliveryDelayedError
            If a later attempt may succeed.
        DeliveryRefusedError
            If none will.
        """
        ...


class LogChannel:
    """Writes messages to the service's log."""

    name = "log"

    def __init__(self, log: Log) -> None:
        self._log = log

    def send(self, key: str, body: Mapping[str, Any]) -> None:
        """Write one line; never fails."""
        self._log.info(
            f"{body['queue']}: incident {body['incident_id']} {body['change']}: {body['explanation']}",
            Action.MESSAGE_SENT,
            key=key,
            severity=body["severity"],
            page_url=body["page_url"],
            map_url=body["map_url"],
        )


class WebhookChannel:
    """Posts messages as JSON to one address; the key travels in the `Idempotency-Key` header.

    Parameters
    ----------
    url
        May hold a token: no error and no log line shows it.
    """

    name = "webhook"

    def __init__(self, url: str, client: httpx.Client) -> None:
        self._url = url
        self._client = client
        # httpx logs each request with its whole URL.
        logging.getLogger("httpx").setLevel(logging.WARNING)

    def send(self, key: str, body: Mapping[str, Any]) -> None:
        """Post one message; a 2xx answer counts as taken, a redirection does not: nobody took it."""
        try:
            # Streamed, since only the status matters: a body without end must not hold the outbox up.
            with self._client.stream("POST", self._url, json=dict(body), headers={"Idempotency-Key": key}) as answer:
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            # httpx puts the URL into some messages: only the kind of failure is told.
            raise DeliveryDelayedError(f"the webhook could not be reached: {type(exc).__name__}") from None
        if httpx.codes.is_success(status):
            return
        if httpx.codes.is_client_error(status) and status not in _TRY_AGAIN_LATER:
            raise DeliveryRefusedError(f"the webhook answered {status}")
        raise DeliveryDelayedError(f"the webhook answered {status}")


class _Outcome(Enum):
    TAKEN = auto()
    DELAYED = auto()
    REFUSED = auto()


class Outbox:
    """Sends due messages, one transaction each.

    Parameters
    ----------
    jitter
        Draws from [0, 1): spreads retries of many messages.
    """

    def __init__(
        self,
        connection: Connection,
        settings: AlertSettings,
        channels: Sequence[Channel],
        clock: Clock,
        log: Log,
        jitter: random.Random,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._channels = {channel.name: channel for channel in channels}
        self._clock = clock
        self._log = log
        self._jitter = jitter

    def round(self) -> int:
        """Send what is due, and return how many messages were taken.

        Ends early when a message has to be put off: where one was not taken the next would only wait as long.
        """
        taken = 0
        for _ in range(_MOST_AT_ONCE):
            with transaction(self._connection):
                due = due_messages(self._connection, self._clock.now(), 1)
                outcome = self._send(due[0]) if due else None
            if outcome is None or outcome is _Outcome.DELAYED:
                break
            taken += outcome is _Outcome.TAKEN
        return taken

    def _send(self, message: OutboxMessage) -> _Outcome:
        now = self._clock.now()
        try:
            self._channel(message.channel).send(message.idempotency_key, message.body)
        except DeliveryDelayedError as exc:
            self._put_off(message, now, str(exc), final=message.attempts + 1 >= self._settings.webhook_attempts)
            return _Outcome.DELAYED
        except DeliveryRefusedError as exc:
            self._put_off(message, now, str(exc), final=True)
            return _Outcome.REFUSED
        mark_sent(self._connection, message.outbox_id, now)
        return _Outcome.TAKEN

    def _channel(self, name: str) -> Channel:
        if name not in self._channels:
            raise DeliveryRefusedError(f"there is no channel '{name}' any more")
        return self._channels[name]

    def _put_off(self, message: OutboxMessage, now: datetime, error: str, *, final: bool) -> None:
        wait_s = retry_after_s(message.attempts, self._jitter.random())
        # The waiting is real time, whatever the pace of the clock.
        due_at = now + timedelta(seconds=wait_s / self._clock.to_wall_s(1.0))
        mark_delayed(self._connection, message.outbox_id, due_at, now if final else None, error)
        action = Action.MESSAGE_FAILED if final else Action.MESSAGE_DELAYED
        fields = {"key": message.idempotency_key, "attempt": message.attempts + 1}
        if final:
            self._log.error(f"message given up: {error}", action, **fields)
        else:
            self._log.warning(f"message put off: {error}", action, retry_after_s=round(wait_s, 1), **fields)


def retry_after_s(attempts: int, jitter: float) -> float:
    """Return the seconds to wait before the next attempt: doubling, bounded, spread over half of itself.

    Parameters
    ----------
    attempts
        How many were made before the one that has just failed.
    jitter
        In [0, 1).
    """
    wait_s = min(_FIRST_RETRY_S * 2.0 ** min(attempts, 30), _LONGEST_RETRY_S)
    return wait_s * (0.75 + 0.5 * jitter)
