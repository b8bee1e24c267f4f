"""What messages say becomes a plan: which rows a transaction writes, and how they are counted. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core.errors import UnitError
from core.message import Decoded, Rejected, RejectReason
from core.quality import QualityFlag
from core.reading import DecodedReading, Reading
from core.units import convert
from ingest.directory import Directory, SeriesTable, Slot
from ingest.letters import dead_letter
from ingest.understanding import Understood
from store.accounts import FeedAccount
from store.batches import DeadLetterRow, EventRow
from store.copying import ReadingColumns

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one transaction writes for one feed.

    Attributes
    ----------
    columns
        Readings to store, each key once.
    repeats
        Readings whose key came earlier in the same batch, in order of arrival.
    contradicts
        Shape of `repeats`: whether each differs from the first of its key in the batch. It tells nothing where the
        store holds another value already.
    events
        In order of arrival; a key may occur more than once.
    letters
        Messages to keep.
    account
        The counts as far as they are known before the store has spoken: of readings only `decoded`.
    """

    columns: ReadingColumns
    repeats: ReadingColumns
    contradicts: NDArray[np.bool_]
    events: list[EventRow]
    letters: list[DeadLetterRow]
    account: FeedAccount


def plan_batch(feed: str, messages: Iterable[Understood], directory: Directory) -> Plan:
    """Plan one feed's batch.

    Linear in the number of readings, but for sorting them by key.

    Parameters
    ----------
    messages
        In order of arrival: the first value of a series and time stays.
    directory
        Knows the devices and series that the messages speak of, unless they are to be quarantined.
    """
    sheet = _Sheet(feed, directory)
    for item in messages:
        sheet.enter(item)
    readings = sheet.columns()
    first, conflicting = sort_out(readings)
    account = FeedAccount(
        feed=feed,
        **sheet.counts,
        decoded=len(readings),
        latest_event_at=sheet.latest_event_at,
        latest_arrival_at=sheet.latest_arrival_at,
    )
    return Plan(
        selected(readings, first), selected(readings, ~first), conflicting[~first], sheet.events, sheet.letters, account
    )


def refused_batch(feed: str, refused: Understood, detail: str) -> Plan:
    """Plan for a message that the store refused: it is kept and counted as rejected."""
    rejected = refused._replace(said=Rejected(RejectReason.REFUSED_BY_STORE, detail))
    return plan_batch(feed, [rejected], Directory())


class _Sheet:
    """Takes one message after the other, and is read as columns at the end."""

    def __init__(self, feed: str, directory: Directory) -> None:
        self._feed = feed
        self._directory = directory
        self._rows: list[int] = []
        self._times_us: list[int] = []
        self._values: list[float] = []
        self._lengths: list[int] = []
        self._received_us: list[int] = []
        self.events: list[EventRow] = []
        self.letters: list[DeadLetterRow] = []
        self.counts = {
            "received": 0, "accepted": 0, "without_reading": 0, "rejected": 0, "stale_retained": 0, "quarantined": 0
        }  # fmt: skip
        self.latest_arrival_at: datetime | None = None

    @property
    def latest_event_at(self) -> datetime | None:
        """Latest event time of what was accepted; None if nothing was."""
        latest = max(self._times_us, default=None)
        times = [event.time for event in self.events]
        if latest is not None:
            times.append(_EPOCH + timedelta(microseconds=latest))
        return max(times, default=None)

    def enter(self, item: Understood) -> None:
        """Take a message: it is counted once as received and once as what became of it."""
        message = item.message
        self.counts["received"] += 1
        if not message.retained:
            self.latest_arrival_at = max(self.latest_arrival_at or message.received_at, message.received_at)
        said = item.said
        if item.stale:
            self.counts["stale_retained"] += 1
            return
        fault = said if isinstance(said, Rejected) else self._accept(said, message.received_at)
        if fault is not None:
            self._reject(item, fault)
        elif isinstance(said, Decoded):
            self.counts["accepted" if said.readings or said.events else "without_reading"] += 1

    def _reject(self, item: Understood, fault: Rejected) -> None:
        letter = dead_letter(self._feed, item.message, fault)
        self.counts[letter.state] += 1
        if not item.kept:
            self.letters.append(letter)

    def _accept(self, said: Decoded, received_at: datetime) -> Rejected | None:
        assets = self._directory.assets
        for event in said.events:
            if event.device not in assets:
                return _unknown(event.device)
        before = len(self._rows)
        fault = self._place(said.readings)
        if fault is not None:
            del self._rows[before:], self._times_us[before:], self._values[before:]
            return fault
        self._lengths.append(len(self._rows) - before)
        self._received_us.append(microseconds(received_at))
        for event in said.events:
            row = EventRow(assets[event.device], event.time, event.kind, event.attributes, received_at)
            self.events.append(row)
        return None

    def _place(self, readings: Sequence[DecodedReading]) -> Rejected | None:
        slots = self._directory.slots
        previous, time_us = None, 0
        for device, metric, value, unit, time in readings:
            slot = slots.get((device, metric))
            if slot is None:
                return _unknown(device)
            if slot.unit != unit:
                converted = _converted(metric, value, unit, slot)
                if isinstance(converted, Rejected):
                    return converted
                value = converted  # noqa: PLW2901 - the loop is too hot for a second name per reading
            if time is not previous:
                previous, time_us = time, microseconds(time)
            self._rows.append(slot.row)
            self._times_us.append(time_us)
            self._values.append(value)
        return None

    def columns(self) -> ReadingColumns:
        """Return all readings in order of arrival, keys not yet unique."""
        rows = np.array(self._rows, dtype=np.intp)
        values = np.array(self._values, dtype=np.float64)
        received_us = np.repeat(np.array(self._received_us, dtype=np.int64), np.array(self._lengths, dtype=np.intp))
        table = self._directory.table
        return ReadingColumns(
            series_id=table.series_id[rows],
            time=np.array(self._times_us, dtype=np.int64).view("datetime64[us]"),
            value=values,
            quality=arrival_quality(values, rows, table),
            received_at=received_us.view("datetime64[us]"),
        )


def _unknown(device: str) -> Rejected:
    return Rejected(RejectReason.UNKNOWN_DEVICE, f"the registry does not know {device!a}")


def _converted(metric: str, value: float, unit: str, slot: Slot) -> float | Rejected:
    try:
        converted = convert(value, unit, slot.unit)
    except UnitError as exc:
        return Rejected(RejectReason.UNIT_MISMATCH, f"{metric!a}: {exc}")
    if not math.isfinite(converted):
        return Rejected(RejectReason.UNIT_MISMATCH, f"{metric!a}: {value} {unit} has no number in '{slot.unit}'")
    return converted


def microseconds(time: datetime) -> int:
    """Return an aware time as microseconds since 1970, exactly."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def arrival_quality(values: NDArray[np.float64], rows: NDArray[np.intp], table: SeriesTable) -> NDArray[np.int16]:
    """Flag what lies outside the physical limits of its series: QARTOD's gross range test, many series at once.

    Parameters
    ----------
    values
        Shape (n,), each in its series' unit, finite.
    rows
        Shape (n,), the row of each value's series in `table`.

    Returns
    -------
    Shape (n,): BAD outside, NOT_EVALUATED where a series has no limit, else GOOD.
    """
    lower, upper = table.lower[rows], table.upper[rows]
    flags = np.full(values.shape, QualityFlag.GOOD, dtype=np.int16)
    flags[np.isnan(lower) & np.isnan(upper)] = QualityFlag.NOT_EVALUATED
    # A comparison with NaN, which stands for no limit, is false.
    flags[(values < lower) | (values > upper)] = QualityFlag.BAD
    return flags


def sort_out(readings: ReadingColumns) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which readings are the first of their key, and which contradict the first of theirs.

    Parameters
    ----------
    readings
        In order of arrival.

    Returns
    -------
    Two masks of shape (n,). What is in neither repeats the first with an equal value.
    """
    order = np.lexsort((readings.time, readings.series_id))
    series, times = readings.series_id[order], readings.time[order]
    new = np.ones(len(readings), dtype=np.bool_)
    # The sort keeps the order of arrival among equal keys.
    new[1:] = (series[1:] != series[:-1]) | (times[1:] != times[:-1])
    first, conflicting = np.zeros_like(new), np.zeros_like(new)
    first[order] = new
    values = readings.value[order]
    conflicting[order] = values != values[new][np.cumsum(new) - 1]
    return first, conflicting


def selected(readings: ReadingColumns, mask: NDArray[np.bool_]) -> ReadingColumns:
    """Return those readings where the mask, of shape (n,), is true."""
    return ReadingColumns(
        readings.series_id[mask],
        readings.time[mask],
        readings.value[mask],
        readings.quality[mask],
        readings.received_at[mask],
    )


def rows_of(readings: ReadingColumns) -> list[Reading]:
    """Return the readings as rows."""
    columns = (readings.series_id, readings.time, readings.value, readings.quality, readings.received_at)
    return [
        Reading(series, time.replace(tzinfo=UTC), value, QualityFlag(quality), received_at.replace(tzinfo=UTC))
        for series, time, value, quality, received_at in zip(*(c.tolist() for c in columns), strict=True)
    ]
