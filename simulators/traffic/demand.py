"""How many cars set out where and when: hour, day of the week, season, rain, matches, and chance."""

import numpy as np

from core.calendar import Calendar
from simulators.noise import FloatArray, autoregressive, day_generator
from simulators.rhythm import DAY_US, hump
from simulators.surroundings import Match, Surroundings
from simulators.traffic.hours import NODE_S, NODE_US, ServiceDay, clock_hours, traffic_humps
from simulators.traffic.streets import METRES_PER_DEGREE, Streets

_DAY_SD = 0.028
_SLOW_NODES = 7  # chance that lasts for hours has a value every four
_SLOW_CITY_SD, _SLOW_ZONE_SD = 0.025, 0.055
_QUICK_SD, _QUICK_PERSISTENCE = 0.03, 0.85
_WET_CARS = 0.03
_SUMMER_DIP, _SUMMER_DAY, _SUMMER_WIDTH = 0.08, 212.0, 32.0
_WINTER_DIP = 0.02

_FANS_BY_CAR = 0.3
_FANS_PER_CAR = 2.3
_FAN_STREETS_M = 1_300.0
_COME_H, _GO_H = 1.6, 0.9


def season(number: int) -> float:
    """Return the traffic of a date (days since 1970-01-01) relative to a spring day's."""
    day_of_year = (number % 365.2425) + 1.0
    summer = np.exp(-(((day_of_year - _SUMMER_DAY) / _SUMMER_WIDTH) ** 2))
    return float(1.0 - _SUMMER_DIP * summer - _WINTER_DIP * np.cos(2 * np.pi * (day_of_year - 15.0) / 365.2425))


def _chance(streets: Streets, seed: int, day: ServiceDay) -> FloatArray:
    """Return the factor of chance on each zone's demand; shape (zones, steps)."""
    zones = int(streets.zone.max()) + 1
    rng = day_generator(seed, "traffic chance", day.number)
    whole = _DAY_SD * rng.standard_normal()
    slow = _SLOW_CITY_SD * rng.standard_normal(_SLOW_NODES) + _SLOW_ZONE_SD * rng.standard_normal((zones, _SLOW_NODES))
    at = np.linspace(0.0, _SLOW_NODES - 1.0, day.steps)
    left = np.minimum(at.astype(np.int64), _SLOW_NODES - 2)
    part = at - left
    # Halfway between two nodes the mean of both varies less; the root keeps the variance.
    slow = (slow[:, left] * (1 - part) + slow[:, left + 1] * part) / np.sqrt((1 - part) ** 2 + part**2)
    return np.clip(1.0 + whole + slow + _QUICK_SD * _quick(seed, day, zones), 0.3, 2.0)


def _quick(seed: int, day: ServiceDay, zones: int) -> FloatArray:
    """Return AR(1) noise at the service day's steps; shape (zones, steps)."""
    first, past = day.start_us // DAY_US, -(-day.end_us // DAY_US)
    parts = [
        autoregressive(seed, "traffic zones", number, zones, _QUICK_PERSISTENCE)[:, :-1]
        for number in range(first, past)
    ]
    begin = (day.start_us - first * DAY_US) // NODE_US
    return np.concatenate(parts, axis=1)[:, begin : begin + day.steps]


def rain_of(surroundings: Surroundings, day: ServiceDay) -> FloatArray:
    """Return the rain in mm/h at each step of a service day; shape (steps,)."""
    return surroundings.rain(day.start_us + np.arange(day.steps, dtype=np.int64) * NODE_US)


def fans_per_h(streets: Streets, surroundings: Surroundings, day: ServiceDay) -> FloatArray | None:
    """Return the cars an hour that a match adds on each segment; shape (segments, steps), None without a match."""
    found = [surroundings.match(number) for number in range(day.start_us // DAY_US, day.end_us // DAY_US + 1)]
    matches = [match for match in found if match and day.start_us <= match.start_us < day.end_us]
    if not matches:
        return None
    come, go = _fan_streets(streets, surroundings)
    before, after = _fan_hours(matches[0], day)
    return come[:, None] * before + go[:, None] * after


def _fan_streets(streets: Streets, surroundings: Surroundings) -> tuple[FloatArray, FloatArray]:
    """Return each segment's share of the cars that come to the stadium, and of those that leave it."""
    stadium = np.array([surroundings.stadium.latitude, surroundings.stadium.longitude])
    scale = np.array([1.0, 0.685]) * METRES_PER_DEGREE
    places = (np.stack([streets.latitude, streets.longitude], axis=1) - stadium) * scale
    distance = np.hypot(places[:, 0], places[:, 1])
    begin, end = distance[streets.begin], distance[streets.end]
    near = np.exp(-((((begin + end) / 2) / _FAN_STREETS_M) ** 2)) * streets.lanes
    come, go = near * (end < begin) + 1e-12, near * (end >= begin) + 1e-12
    return come / come.sum(), go / go.sum()


def _fan_hours(match: Match, day: ServiceDay) -> tuple[FloatArray, FloatArray]:
    """Return the cars an hour that come and that go at each step."""
    middle_h = np.arange(0.5, day.steps) * (NODE_S / 3_600)
    start_h, end_h = (float(time - day.start_us) / 3.6e9 for time in (match.start_us, match.end_us))
    cars = match.attendance * _FANS_BY_CAR / _FANS_PER_CAR
    area = np.sqrt(np.pi) * 0.5  # under a bell, per hour of width, with half the width below
    before = hump(middle_h, start_h - _COME_H / 2, _COME_H / 2) / (area * _COME_H)
    after = hump(middle_h, end_h + _GO_H / 2, _GO_H / 2) / (area * _GO_H)
    return cars * before, cars * after


def sources_per_h(
    streets: Streets, seed: int, calendar: Calendar, surroundings: Surroundings, day: ServiceDay
) -> FloatArray:
    """Return how many vehicles an hour set out on each segment; shape (segments, steps)."""
    hours = clock_hours(calendar, day)[:-1] + NODE_S / 7_200
    common = season(day.number) * (1.0 + _WET_CARS * (rain_of(surroundings, day) > 0.0))
    sources = (streets.sources_per_h @ traffic_humps(hours, day.weekday)) * common
    sources *= _chance(streets, seed, day)[streets.zone]
    fans = fans_per_h(streets, surroundings, day)
    return sources if fans is None else sources + fans
