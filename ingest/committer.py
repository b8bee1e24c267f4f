"""Messages become committed rows."""

import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core.errors import StoreError
from core.message import Decoded, Message
from core.settings import IngestSettings
from ingest.batch import Plan, plan_batch, refused_batch, rows_of, selected
from ingest.decoders import feed_of
from ingest.directory import Directory, learn
from ingest.understanding import recognise, repeatable, understand
from store.accounts import FeedAccount, add_to_account
from store.batches import (
    Source,
    WrittenReadings,
    first_arrivals,
    open_batch,
    remember_arrivals,
    stored_values,
    write_conflicts,
    write_dead_letters,
    write_events,
    write_readings,
)
from store.database import Connection, translated_errors

_REFUSED = (StoreError, ValueError, TypeError, ArithmeticError)
"""What the database says of a row that it cannot hold, and what the client says of one that it cannot send."""


@dataclass(frozen=True, slots=True)
class Part:
    """Messages of one feed that are committed together.

    Attributes
    ----------
    feed
        Whose account they belong to.
    messages
        In order of arrival; at least one.
    key
        Names the transaction: after a commit whose answer was lost, it tells whether the commit took place.
    refusal
        Why the store would not take what the only message says, so that it is kept as a dead letter; else None.
    """

    feed: str
    messages: Sequence[Message]
    key: uuid.UUID = field(default_factory=uuid.uuid4)
    refusal: str | None = None

    def narrowed(self, exc: Exception) -> "list[Part]":
        """Return what to try in place of this part, which was refused: its halves, or its message as a dead letter."""
        if len(self.messages) == 1:
            return [Part(self.feed, self.messages, refusal=str(exc))]
        middle = len(self.messages) // 2
        return [Part(self.feed, self.messages[:middle]), Part(self.feed, self.messages[middle:])]


def parts_of(messages: Sequence[Message]) -> deque[Part]:
    """Divide messages by feed; in order of arrival within each."""
    by_feed: dict[str, list[Message]] = {}
    for message in messages:
        by_feed.setdefault(feed_of(message.topic), []).append(message)
    return deque(Part(feed, of_feed) for feed, of_feed in by_feed.items())


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a part.

    Attributes
    ----------
    account
        What was added to the feed's account.
    reasons
        How many messages were rejected or quarantined, by reason.
    """

    account: FeedAccount
    reasons: Counter[str]


class Committer:
    """Writes messages into the store, each part in one transaction with the account of it.

    Parameters
    ----------
    settings
        How messages become rows.
    source
        Whether the messages are live or a back-fill.
    """

    def __init__(self, settings: IngestSettings, source: Source = "live") -> None:
        self._settings = settings
        self._source: Source = source
        self._directory = Directory()

    def commit(
        self, connection: Connection, parts: deque[Part], tell: Callable[[Committed], None] = lambda _: None
    ) -> None:
        """Commit parts from the left; each leaves the queue when it is safe.

        A part that the database refuses is divided until the message that is to blame stands alone; that one
        becomes a dead letter.

        Parameters
        ----------
        parts
            Empty on return. After an exception it holds what is left, to be given to the next call.
        tell
            Called after each commit.

        Raises
        ------
        StoreUnavailableError
            If the database is away; try again with a new connection and the same parts.
        StoreError
            If the database does not even take a dead letter.
        """
        while parts:
            part = parts[0]
            try:
                committed = self._commit(connection, part)
            except _REFUSED as exc:
                if part.refusal is not None:
                    raise
                parts.popleft()
                parts.extendleft(reversed(part.narrowed(exc)))
            else:
                parts.popleft()
                if committed is not None:
                    tell(committed)

    def _commit(self, connection: Connection, part: Part) -> Committed | None:
        """Commit one part; return None if that had happened before."""
        understood = understand(part.messages, self._settings)
        if part.refusal is not None:
            return self._write(connection, part, refused_batch(part.feed, understood[0], part.refusal), {})
        digests = repeatable(understood)
        not_before = min(m.received_at for m in part.messages) - timedelta(seconds=self._settings.redelivery_window_s)
        recognised, arrivals = recognise(understood, first_arrivals(connection, digests, not_before), self._settings)
        said = [u.said for u in recognised if isinstance(u.said, Decoded) and not u.stale]
        learn(connection, self._directory, said, onboarding=self._settings.onboarding)
        return self._write(connection, part, plan_batch(part.feed, recognised, self._directory), arrivals)

    def _write(
        self, connection: Connection, part: Part, plan: Plan, arrivals: Mapping[bytes, datetime]
    ) -> Committed | None:
        with translated_errors(), connection.transaction():
            batch_id = open_batch(connection, part.key, self._source, plan.columns)
            if batch_id is None:
                return None
            written = write_readings(connection, batch_id, plan.columns)
            contradicts = _contradicting(connection, plan, written)
            write_conflicts(connection, batch_id, rows_of(selected(plan.repeats, contradicts)))
            events_stored = write_events(connection, batch_id, plan.events)
            write_dead_letters(connection, batch_id, plan.letters)
            remember_arrivals(connection, arrivals)
            account = replace(
                plan.account,
                stored=written.stored,
                duplicate=written.duplicate + int((~contradicts).sum()),
                conflict=written.conflict + int(contradicts.sum()),
                events_stored=events_stored,
                events_duplicate=len(plan.events) - events_stored,
            )
            add_to_account(connection, self._settings.worker, account)
        return Committed(account, Counter(letter.reason for letter in plan.letters))


def _contradicting(connection: Connection, plan: Plan, written: WrittenReadings) -> NDArray[np.bool_]:
    """Tell which of the batch's repeats differ from the value that stays."""
    if written.stored == len(plan.columns) or not len(plan.repeats):
        return plan.contradicts
    # Some key was stored before this batch: then its first reading here is not the one that stays.
    differs: NDArray[np.bool_] = plan.repeats.value != stored_values(connection, plan.repeats)
    return differs


def commit_messages(
    connection: Connection, messages: Sequence[Message], settings: IngestSettings, source: Source = "live"
) -> list[Committed]:
    """Commit messages without a broker, and return what became of them, part by part.

    For whoever has all messages at hand; `Committer` keeps its knowledge of the registry from call to call.

    Raises
    ------
    StoreUnavailableError, StoreError
        As `Committer.commit`.
    """
    committed: list[Committed] = []
    Committer(settings, source).commit(connection, parts_of(messages), committed.append)
    return committed
