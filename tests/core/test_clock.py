from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ScaledClock, SystemClock

ORIGIN = datetime(2026, 1, 5, tzinfo=UTC)
STARTED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def scaled(speed: float, wall_elapsed_s: float) -> ScaledClock:
    return ScaledClock(ORIGIN, STARTED_AT, speed, wall=lambda: STARTED_AT.timestamp() + wall_elapsed_s)


def test_system_clock_shows_the_machines_time_in_utc() -> None:
    before = datetime.now(UTC)
    shown = SystemClock().now()
    assert before <= shown <= datetime.now(UTC)
    assert shown.tzinfo is UTC
    assert SystemClock().to_wall_s(2.5) == 2.5


@pytest.mark.parametrize(
    ("speed", "elapsed_s", "shown"),
    [
        (1.0, 0.0, ORIGIN),
        (1.0, 10.0, ORIGIN + timedelta(seconds=10)),
        (100.0, 36.0, ORIGIN + timedelta(hours=1)),
        (0.5, 10.0, ORIGIN + timedelta(seconds=5)),
        (60.0, -1.0, ORIGIN - timedelta(minutes=1)),
    ],
)
def test_scaled_clock_by_hand(speed: float, elapsed_s: float, shown: datetime) -> None:
    assert abs(scaled(speed, elapsed_s).now() - shown) < MILLISECOND
    assert scaled(speed, elapsed_s).now().tzinfo is UTC


@given(st.floats(0.01, 1_000), st.floats(0, 1e6), st.floats(0, 1e5))
def test_a_span_on_the_clock_takes_as_long_as_it_says(speed: float, elapsed_s: float, span_s: float) -> None:
    clock = scaled(speed, elapsed_s)
    later = scaled(speed, elapsed_s + clock.to_wall_s(span_s))
    tolerance = timedelta(seconds=1e-6 * speed + 1e-3)
    assert abs(later.now() - clock.now() - timedelta(seconds=span_s)) < tolerance


@given(st.floats(0.01, 1_000), st.floats(0, 1e6))
def test_processes_with_the_same_values_show_the_same_time(speed: float, elapsed_s: float) -> None:
    assert scaled(speed, elapsed_s).now() == scaled(speed, elapsed_s).now()


def test_scaled_clock_follows_the_machine_by_default() -> None:
    clock = ScaledClock(ORIGIN, datetime.now(UTC), 1.0)
    shown = clock.now()
    assert ORIGIN - timedelta(seconds=1) <= shown <= ORIGIN + timedelta(minutes=1)
    assert clock.now() >= shown
