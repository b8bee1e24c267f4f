"""Messages of the buses, in HFP v2: positions every 5 s, arrivals and departures at stops."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simulators.airtime import LONGEST_DELAY_US, call_delays_us, position_delays_us
from simulators.buses import (
    ACCELERATION,
    DOOR,
    HEADING,
    LATITUDE,
    LONGITUDE,
    OCCUPANCY,
    ODOMETER,
    OFFSET,
    SAMPLES,
    SPEED,
    bus_samples,
    call_values,
)
from simulators.city import BUS_INTERVAL_S, City
from simulators.encoders.hfp import HfpEvent, VehicleState, encode_event
from simulators.entry import Entry
from simulators.fault import Fault, FaultKind, active
from simulators.journeys import journey_of, scheduled_minute, stop_calls, trip_numbers
from simulators.network import FLEET
from simulators.noise import FloatArray
from simulators.rhythm import DAY_US
from simulators.timetable import IntArray, table_index, tables

_INTERVAL_US = BUS_INTERVAL_S * 1_000_000
_NO_CHANGE = 5
_EVENT_OF_CALL = (HfpEvent.ARRIVAL, HfpEvent.DEPARTURE)


def geohash_level(latitude: FloatArray, longitude: FloatArray) -> IntArray:
    """Return which digit of a position is the first to differ from the position before it.

    Parameters
    ----------
    latitude, longitude
        Shape (k, n), n at least 1, deg, rounded to 6 decimals.

    Returns
    -------
    Shape (k, n): 0 for whole degrees up to 4, 5 when none of these changed; the first of a row counts as unchanged.
    """
    level = np.zeros(latitude.shape, dtype=np.int64)
    for decimals in range(_NO_CHANGE):
        same = np.ones(latitude.shape, dtype=np.bool_)
        for angle in (latitude, longitude):
            digits = np.rint(angle * 1e6).astype(np.int64) // 10 ** (6 - decimals)
            same[:, 1:] &= digits[:, 1:] == digits[:, :-1]
        level += same
    return level


def _states(
    times_us: IntArray, values: FloatArray, next_stop: IntArray, stop: IntArray, level: IntArray
) -> Iterator[VehicleState]:
    """Yield what the encoder wants, from columns of shape (n,) and values of shape (9, n)."""
    texts = np.datetime_as_string(times_us.astype("datetime64[us]").astype("datetime64[ms]"), timezone="UTC").tolist()
    at = {metric: values[metric].tolist() for metric in (LATITUDE, LONGITUDE, SPEED, ACCELERATION)}
    whole = {
        metric: values[metric].astype(np.int64).tolist() for metric in (HEADING, OFFSET, ODOMETER, DOOR, OCCUPANCY)
    }
    columns = (
        texts,
        (times_us // 1_000_000).tolist(),
        at[LATITUDE],
        at[LONGITUDE],
        at[SPEED],
        at[ACCELERATION],
        whole[HEADING],
        whole[OFFSET],
        whole[ODOMETER],
        whole[DOOR],
        whole[OCCUPANCY],
        next_stop.tolist(),
        [number or None for number in stop.tolist()],
        level.tolist(),
    )
    return map(VehicleState._make, zip(*columns, strict=True))


def _samples_due(day: int, start_us: int, end_us: int) -> tuple[int, int]:
    """Return the day's samples that may be due in a span: first, and one past the last."""
    first = (start_us - LONGEST_DELAY_US - day * DAY_US) // _INTERVAL_US - 1
    past = (end_us - day * DAY_US) // _INTERVAL_US + 1
    return min(max(first, 0), SAMPLES), min(max(past, 0), SAMPLES)


def position_messages(city: City, day: int, start_us: int, end_us: int, faults: tuple[Fault, ...]) -> Iterator[Entry]:
    """Yield the positions measured on a UTC day and published from `start_us` to below `end_us`."""
    first, past = _samples_due(day, start_us, end_us)
    if first >= past:
        return
    # One sample more in front, so that the geohash level does not depend on where a span begins.
    begin = max(first - 1, 0)
    samples = bus_samples(city, day, begin, past, faults)
    due_us = samples.times_us + position_delays_us(city.seed, day, len(FLEET), SAMPLES)[:, begin:past]
    chosen = samples.sent & (due_us >= start_us) & (due_us < end_us)
    chosen[:, : first - begin] = False
    bus, sample = np.nonzero(chosen)
    progress = samples.progress[bus, sample]
    index, _ = table_index(bus, progress)
    level = geohash_level(samples.values[LATITUDE], samples.values[LONGITUDE])[bus, sample]
    table = tables()
    states = _states(
        samples.times_us[bus, sample],
        samples.values[:, bus, sample],
        table.next_stop[index],
        table.stop[index],
        level,
    )
    trips = trip_numbers(bus, day, progress)
    for due, at, trip, state in zip(due_us[bus, sample].tolist(), bus.tolist(), trips.tolist(), states, strict=True):
        yield due, at, *encode_event(HfpEvent.POSITION, journey_of(city.calendar, at, trip), state)


def _standing(buses: IntArray, times_us: IntArray, faults: tuple[Fault, ...]) -> NDArray[np.bool_]:
    """Return which calls do not happen because the bus has broken down: shape (n,)."""
    names = [vehicle.name for vehicle in FLEET]
    stands = np.zeros(buses.shape, dtype=np.bool_)
    for fault in faults:
        if fault.kind is FaultKind.BUS_BREAKDOWN:
            stands |= (buses == names.index(fault.asset)) & active(fault, times_us)
    return stands


def call_messages(city: City, day: int, start_us: int, end_us: int, faults: tuple[Fault, ...]) -> Iterator[Entry]:
    """Yield the arrivals and departures of a UTC day that are published from `start_us` to below `end_us`."""
    calls = stop_calls(city.seed, city.calendar, day)
    due_us = calls.times_us + call_delays_us(city.seed, day, calls.times_us.size)
    happens = ~_standing(calls.buses, calls.times_us, faults)
    chosen = np.flatnonzero((due_us >= start_us) & (due_us < end_us) & happens)
    if chosen.size == 0:
        return
    bus, times_us, progress = calls.buses[chosen], calls.times_us[chosen], calls.progress[chosen]
    departs, stop = calls.departs[chosen], calls.stops[chosen]
    index, _ = table_index(bus, progress)
    # Who leaves a stop is on the way to the next; the second after the call is never beyond the trip's end.
    next_stop = tables().next_stop[index + departs]
    values = call_values(city, day, bus, times_us, progress, faults)
    states = _states(times_us, values, next_stop, stop, np.full(bus.shape, _NO_CHANGE))
    trips = trip_numbers(bus, day, progress)
    rows = zip(due_us[chosen].tolist(), bus.tolist(), trips.tolist(), departs.tolist(), progress.tolist(), strict=True)
    for (due, at, trip, leaves, reached), state in zip(rows, states, strict=True):
        scheduled = scheduled_minute(city.calendar, day, reached)
        journey = journey_of(city.calendar, at, trip)
        yield due, len(FLEET) * (1 + leaves) + at, *encode_event(_EVENT_OF_CALL[leaves], journey, state, scheduled)
