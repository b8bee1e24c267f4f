from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.event import DecodedEvent
from core.message import Decoded, RejectReason
from core.reading import DecodedReading
from ingest.window import check_window

RECEIVED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BACK = timedelta(days=400)
AHEAD = timedelta(minutes=10)
MICROSECOND = timedelta(microseconds=1)


def said_at(*times: datetime) -> Decoded:
    return Decoded(tuple(DecodedReading("dma-1", f"flow_{n}", 1.0, "m3/h", time) for n, time in enumerate(times)))


@pytest.mark.parametrize(
    ("time", "inside"),
    [
        (RECEIVED_AT, True),
        (RECEIVED_AT - BACK, True),
        (RECEIVED_AT - BACK - MICROSECOND, False),
        (RECEIVED_AT + AHEAD, True),
        (RECEIVED_AT + AHEAD + MICROSECOND, False),
        (datetime.min.replace(tzinfo=UTC), False),
        (datetime.max.replace(tzinfo=UTC), False),
    ],
)
def test_window_includes_both_its_ends(time: datetime, inside: bool) -> None:
    event = Decoded(events=(DecodedEvent("dma-1", "burst", time),))
    for decoded in (said_at(time), event):
        rejected = check_window(decoded, RECEIVED_AT, BACK, AHEAD)
        assert (rejected is None) is inside
        assert rejected is None or rejected.reason is RejectReason.TIME_OUT_OF_WINDOW


def test_one_time_outside_refuses_the_message_and_is_named() -> None:
    rejected = check_window(said_at(RECEIVED_AT, datetime(1970, 1, 1, tzinfo=UTC)), RECEIVED_AT, BACK, AHEAD)
    assert rejected is not None
    assert "flow_1 at 1970-01-01T00:00:00+00:00" in rejected.detail


def test_message_without_times_passes() -> None:
    assert check_window(Decoded(), RECEIVED_AT, timedelta(0), timedelta(0)) is None


def test_window_wider_than_the_calendar_takes_everything() -> None:
    wide = timedelta(days=4_000_000)
    extremes = said_at(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    assert check_window(extremes, RECEIVED_AT, wide, wide) is None


spans = st.timedeltas(timedelta(0), timedelta(days=1_000))
times = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(deadline=None)
@given(st.lists(times, max_size=4), spans, spans)
def test_passes_exactly_when_every_time_is_inside(said: list[datetime], back: timedelta, ahead: timedelta) -> None:
    every = all(RECEIVED_AT - back <= time <= RECEIVED_AT + ahead for time in said)
    assert (check_window(said_at(*said), RECEIVED_AT, back, ahead) is None) is every
