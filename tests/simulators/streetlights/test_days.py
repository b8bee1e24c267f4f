"""Laws of a department: any day alone, the same in every process, seams nowhere; and the shape of a night."""

import hashlib
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.fault import FaultKind
from simulators.streetlights import MEDIUM, SMALL, Streetlights, department
from tests.simulators.streetlights.parts import (
    EVENING,
    LATE,
    MONDAY_DAY,
    NIGHT,
    NOON,
    changed,
    day_of,
    fault,
    lights,
    seen,
)

_HASH = """
import hashlib
from simulators.fault import FaultKind
from tests.simulators.streetlights.parts import MONDAY_DAY, fault, lights
values = lights().values(MONDAY_DAY, (fault(FaultKind.FLICKER, "lamp-00002"),))
print(hashlib.sha256(values.tobytes()).hexdigest())
"""


def test_another_process_sees_the_same_bytes(tiny: Streetlights) -> None:
    mine = tiny.values(MONDAY_DAY, (fault(FaultKind.FLICKER, "lamp-00002"),))
    other = subprocess.run([sys.executable, "-c", _HASH], check=True, capture_output=True, text=True)
    assert other.stdout.strip() == hashlib.sha256(mine.tobytes()).hexdigest()


@settings(max_examples=10, deadline=None)
@given(st.permutations(list(range(MONDAY_DAY, MONDAY_DAY + 4))))
def test_days_can_be_asked_for_in_any_order(tiny_days: dict[int, bytes], order: list[int]) -> None:
    department._shown.cache_clear()
    city = lights()
    assert {day: city.values(day).tobytes() for day in order} == tiny_days


@pytest.fixture(scope="module")
def tiny_days() -> dict[int, bytes]:
    return {day: lights().values(day).tobytes() for day in range(MONDAY_DAY, MONDAY_DAY + 4)}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40_000))
def test_every_day_has_a_night_and_a_day(day: int) -> None:
    values = lights().values(day)
    power = values[0]
    assert 0.0 <= np.isnan(values).mean() < 0.03
    night, noon = np.nanmean(power[4 * 20 : 4 * 23]), np.nanmax(power[NOON])
    assert noon < 0.08 * night


def test_it_travels_to_other_processes(tiny: Streetlights) -> None:
    assert pickle.loads(pickle.dumps(tiny)) == tiny  # noqa: S301


def test_values_are_read_only(tiny: Streetlights) -> None:
    for faults in ((), (fault(FaultKind.METER_STUCK, "cabinet-0001"),)):
        with pytest.raises(ValueError, match="read-only"):
            tiny.values(MONDAY_DAY, faults)[0, 0] = 1.0


def test_another_seed_is_another_city() -> None:
    assert not np.array_equal(lights(seed=8).values(MONDAY_DAY), lights().values(MONDAY_DAY), equal_nan=True)
    assert lights(seed=8).assets != lights().assets


def test_half_to_one_percent_of_the_messages_are_missing_whole() -> None:
    values = lights(SMALL).values(MONDAY_DAY)
    assert 0.005 < np.isnan(values).mean() < 0.01
    feeder = np.isnan(seen(lights(SMALL))["feeder-01", "active_power"])
    assert np.array_equal(feeder, np.isnan(seen(lights(SMALL))["feeder-01", "current"]))


@pytest.mark.parametrize(
    ("metric", "decimals"),
    [("active_power", 1), ("voltage", 2), ("current", 3), ("power_factor", 3), ("energy", 0), ("dimming_level", 0)],
)
def test_values_have_the_resolution_of_a_meter(tiny: Streetlights, metric: str, decimals: int) -> None:
    rows = [row for row, each in enumerate(tiny.series) if each.metric == metric]
    values = tiny.values(MONDAY_DAY)[rows]
    assert np.array_equal(values, np.round(values, decimals), equal_nan=True)


def test_midnight_has_no_seam() -> None:
    days = [lights(SMALL).truth(MONDAY_DAY + shift) for shift in range(6)]
    voltage = np.concatenate([each.feeders.voltage for each in days], axis=1)
    steps = np.abs(np.diff(voltage, axis=1))
    assert steps[:, 95::96].mean() < 1.5 * steps.mean()
    power = np.concatenate([each.cabinets.power for each in days], axis=1)
    seam = np.abs(power[:, 96::96] / power[:, 95:-1:96] - 1.0)
    assert seam.max() < 0.02


def test_a_lamp_burns_from_dusk_to_dawn_and_the_step_of_switching_shows_part() -> None:
    truth = lights(SMALL).truth(MONDAY_DAY)
    power = truth.cabinets.power / truth.cabinets.power[:, EVENING].max(axis=1, keepdims=True)
    assert power[:, EVENING].min() > 0.75
    assert power[:, NOON].max() < 0.03
    dusk = power[:, 4 * 13 : 4 * 16]
    assert np.all(((dusk > 0.04) & (dusk < 0.9)).sum(axis=1) <= 1)
    assert ((dusk > 0.04) & (dusk < 0.9)).any(axis=1).mean() > 0.7


def test_lamps_are_dimmed_by_the_local_clock_in_summer_and_winter() -> None:
    city = lights(SMALL)
    schedule = city.plant.equipment.schedule_of_cabinet
    cabinet = int(np.flatnonzero(schedule == 1)[0])
    lamp = int(np.setdiff1d(city.plant.layout.lamps_of_cabinet(cabinet), city.plant.layout.smart)[0])
    for day, dimmed_from in ((day_of(2026, 1, 15), 21), (day_of(2026, 7, 15), 20)):
        power = city.truth(day).lamps.power[lamp]
        before, after = power[4 * dimmed_from], power[4 * dimmed_from + 1]
        assert after / before == pytest.approx(0.05 + 0.95 * 0.65, abs=0.01)


@pytest.mark.parametrize(("month", "day", "utc_hour"), [(3, 29, 2), (10, 25, 3)])
def test_the_clock_change_moves_the_end_of_dimming(month: int, day: int, utc_hour: int) -> None:
    city = lights(SMALL)
    smart = int(np.flatnonzero(city.plant.equipment.schedule_of_lamp[city.plant.layout.smart] == 4)[0])
    level = city.truth(day_of(2026, month, day)).lamps.level[smart]
    assert level[4 * utc_hour] == pytest.approx(0.4)
    assert level[4 * utc_hour + 1] == pytest.approx(0.8)


def test_leap_day_lies_between_its_neighbours() -> None:
    hours = [
        float((lights(SMALL).truth(day_of(2028, 2, 28) + shift).lamps.level > 0).mean() * 24) for shift in range(3)
    ]
    assert hours == pytest.approx([hours[0]] * 3, abs=0.5)


def test_nights_are_longer_in_december_and_rain_makes_them_longer() -> None:
    city = lights(SMALL)
    hours = [float((city.truth(day_of(2026, month, 21)).lamps.level > 0).mean() * 24) for month in (6, 12)]
    assert hours[1] - hours[0] == pytest.approx(7.0, abs=1.0)
    from simulators.streetlights.switching import weather_lift_deg

    lifts = np.array([weather_lift_deg(city.plant, day, rising=False) for day in range(MONDAY_DAY, MONDAY_DAY + 60)])
    assert lifts.min() >= 0.0
    assert lifts.max() > 1.4
    assert lifts.std() > 0.2


def test_smart_lamps_dim_otherwise_and_lose_power_factor() -> None:
    city = lights(SMALL)
    shown = seen(city)
    smart = [asset for asset, metric in shown if metric == "dimming_level"]
    level = np.array([shown[lamp, "dimming_level"] for lamp in smart])
    factor = np.array([shown[lamp, "power_factor"] for lamp in smart])
    assert np.nanmean(level[:, LATE]) < 60 < np.nanmean(level[:, EVENING])
    assert np.nanmax(level[:, NOON]) == 0
    assert np.nanmean(factor[:, LATE]) < np.nanmean(factor[:, EVENING]) - 0.04


def test_lamps_age_by_their_burning_hours() -> None:
    equipment = lights(SMALL).plant.equipment
    young, old = (equipment.power_w(day) / equipment.rated_w for day in (day_of(2024, 1, 1), day_of(2030, 1, 1)))
    change = (old - young)[equipment.life_days > 6_000]
    assert 0.005 < np.abs(change).mean() < 0.05
    assert np.array_equal(np.sign(change), np.sign(equipment.change_per_kh[equipment.life_days > 6_000]))


def test_a_foreign_fault_changes_nothing(tiny: Streetlights) -> None:
    foreign = (
        fault(FaultKind.BURST, "dma-1"),
        fault(FaultKind.CLOCK_WRONG, "dma-1"),
        fault(FaultKind.METER_STUCK, "lamp-99999"),
        fault(FaultKind.LAMP_OUT, "cabinet-0001"),
        fault(FaultKind.LAMP_OUT, "lamp-1"),
        fault(FaultKind.FEEDER_LOSS, "feeder-01-x"),
        fault(FaultKind.LAMP_OUT, "lamp-00001", start_h=25, hours=4),
    )
    assert changed(tiny, *foreign) == set()
    assert all(tiny.affected(each) == () for each in foreign[:-1])


def test_a_medium_city_yields_a_million_readings_per_second() -> None:
    city = lights(MEDIUM)
    city.values(MONDAY_DAY)
    begin = time.process_time()
    values = city.values(MONDAY_DAY + 1)
    spent = time.process_time() - begin
    assert values.size / spent > 1_000_000
    assert np.nanmean(values[:, NIGHT]) > 0
