"""Where vehicles are at any moment of a service day: between and at the stops of their trips."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.noise import FloatArray
from simulators.traffic.lines import SEATS, Lines
from simulators.traffic.runs import DETOUR_LONGER, Runs
from simulators.traffic.streets import IntArray
from simulators.traffic.timetable import Timetable

_DAY_KEY = 1_000_000.0  # seconds; more than a service day has
_PULLS_AWAY = 0.12  # of a ride: speeding up, and the same for slowing down
LOGS_OFF_S = 1_200.0
"""Seconds after a trip's end at which a vehicle without a next trip stops reporting."""


@dataclass(frozen=True, slots=True)
class Moments:
    """What vehicles do at some moments; arrays of one shape, NaN out of service.

    Attributes
    ----------
    latitude, longitude
        deg.
    speed
        m/s at the moment.
    driven
        Metres since the service day's begin.
    odometer
        Metres since the trip's begin.
    schedule_offset
        Seconds ahead of the timetable when the last stop was left; negative is late.
    occupancy
        %.
    """

    latitude: FloatArray
    longitude: FloatArray
    speed: FloatArray
    driven: FloatArray
    odometer: FloatArray
    schedule_offset: FloatArray
    occupancy: FloatArray


@dataclass(frozen=True, slots=True)
class Tracks:
    """The trips of some vehicles in a service day, as nodes in time: at, and from, each stop.

    Attributes
    ----------
    vehicles
        Shape (v,): the vehicles, numbered line by line, in order.
    key
        Shape (n,): position of the vehicle in `vehicles` times a long time, plus seconds since the day's begin.
    driven, odometer, latitude, longitude, offset, load
        Shape (n,): at each node; what is reported from it on.
    ends
        Shape (n,): True at the last node of a trip.
    """

    vehicles: IntArray
    key: FloatArray
    driven: FloatArray
    odometer: FloatArray
    latitude: FloatArray
    longitude: FloatArray
    offset: FloatArray
    load: FloatArray
    ends: NDArray[np.bool_]

    def at(self, rows: IntArray, seconds: FloatArray) -> Moments:
        """Return what vehicles do at moments.

        Parameters
        ----------
        rows
            Position in `vehicles`; broadcast with `seconds`.
        seconds
            Since the service day's begin.
        """
        rows, seconds = np.broadcast_arrays(rows, seconds)
        wanted = rows * _DAY_KEY + np.clip(seconds, 0.0, _DAY_KEY / 2)
        left = np.searchsorted(self.key, wanted, side="right") - 1
        mine = (left >= 0) & (np.floor_divide(self.key[left], _DAY_KEY) == rows)
        left = np.maximum(left, 0)
        right = np.where(self.ends[left], left, np.minimum(left + 1, self.key.size - 1))
        lasts = self.key[right] - self.key[left]
        since = wanted - self.key[left]
        mine &= (since <= lasts) | (self.ends[left] & (since <= LOGS_OFF_S))
        share = np.where(lasts > 0.0, since / np.maximum(lasts, 1e-9), 0.0)
        way, pace = _eased(share)
        length = self.driven[right] - self.driven[left]
        speed = np.where(lasts > 0.0, pace * length / np.maximum(lasts, 1e-9), 0.0)
        return self._moments(mine, left, right, way, speed)

    def _moments(
        self, mine: NDArray[np.bool_], left: IntArray, right: IntArray, way: FloatArray, speed: FloatArray
    ) -> Moments:
        def between(column: FloatArray) -> FloatArray:
            return np.where(mine, column[left] + way * (column[right] - column[left]), np.nan)

        return Moments(
            between(self.latitude),
            between(self.longitude),
            np.where(mine, speed, np.nan),
            between(self.driven),
            between(self.odometer),
            np.where(mine, self.offset[left], np.nan),
            np.where(mine, self.load[left] * (100.0 / SEATS), np.nan),
        )


def _eased(share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the share of the way after a share of the time, and the pace: up, even, and down again."""
    top = 1.0 / (1.0 - _PULLS_AWAY)
    up, down = share < _PULLS_AWAY, share > 1.0 - _PULLS_AWAY
    rest = 1.0 - share
    ramp = top / (2.0 * _PULLS_AWAY)
    way = np.where(up, ramp * share**2, np.where(down, 1.0 - ramp * rest**2, top * (share - _PULLS_AWAY / 2)))
    pace = top * np.where(up, share / _PULLS_AWAY, np.where(down, rest / _PULLS_AWAY, 1.0))
    return way, pace


def build_tracks(lines: Lines, table: Timetable, runs: Runs, which: IntArray) -> Tracks:
    """Lay the runs of some lines on the map; `lines` and `table` hold all lines, `runs` those of `which`."""
    row, trip, place = _in_order(table, runs, which, lines.fleet)
    line, direction = which[row], table.direction[which[row], trip]
    times = np.stack([runs.arrive_s[row, trip], runs.depart_s[row, trip]], axis=2)
    shown = ~np.isnan(times)
    passed = runs.passed_by[row, trip]
    odometer = _odometer(lines, line, direction, passed)
    last = np.max(np.where(shown.any(axis=2), odometer, 0.0), axis=1)
    corner = (line[:, None], direction[:, None], passed.astype(np.int64), np.arange(passed.shape[1]))
    counts = shown.sum(axis=(1, 2))
    ends = np.zeros(int(counts.sum()), dtype=np.bool_)
    ends[np.cumsum(counts) - 1] = True
    return Tracks(
        vehicles=(which[:, None] * lines.fleet + np.arange(lines.fleet)).ravel(),
        key=(place[:, None, None] * _DAY_KEY + times)[shown],
        driven=_twice(odometer + _before(place, last)[:, None], shown),
        odometer=_twice(odometer, shown),
        latitude=_twice(lines.latitude[corner], shown),
        longitude=_twice(lines.longitude[corner], shown),
        offset=_held(table.calls_s[line, trip] - runs.depart_s[row, trip], shown),
        load=_held(runs.load[row, trip], shown),
        ends=ends,
    )


def _in_order(table: Timetable, runs: Runs, which: IntArray, fleet: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return row, trip and vehicle's position of all trips that began, by vehicle, then time."""
    row, trip = np.nonzero(~np.isnan(runs.arrive_s[..., 0]))
    place = row * fleet + table.vehicle[which[row], trip]
    order = np.argsort(place, kind="stable")
    return row[order], trip[order], place[order]


def _twice(value: FloatArray, shown: NDArray[np.bool_]) -> FloatArray:
    """Return what holds at a stop's arrival and departure alike."""
    return np.broadcast_to(value[..., None], shown.shape)[shown]


def _odometer(lines: Lines, line: IntArray, direction: IntArray, passed: NDArray[np.bool_]) -> FloatArray:
    """Return metres since the trip's begin at each stop; shape (trips, stops)."""
    link_m = lines.link_m[line, direction] * np.where(passed[:, 1:], DETOUR_LONGER, 1.0)
    return np.concatenate([np.zeros((line.size, 1)), np.cumsum(link_m, axis=1)], axis=1)


def _before(place: IntArray, length: FloatArray) -> FloatArray:
    """Return metres that a vehicle drove on its trips before each; trips are in order of vehicle and time."""
    total = np.concatenate([[0.0], np.cumsum(length)])[:-1]
    first = np.searchsorted(place, place, side="left")
    return total - total[first] if place.size else total


def _held(value: FloatArray, shown: NDArray[np.bool_]) -> FloatArray:
    """Return what is reported from each node on: what was so when the vehicle left the stop before."""
    before = np.concatenate([value[:, :1], value[:, :-1]], axis=1)
    both = np.stack([before, value], axis=2)
    return both[shown]
