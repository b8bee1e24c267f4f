import hashlib
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.calendar import Calendar
from simulators.city import City
from simulators.departments import affected_assets
from simulators.fault import Fault, FaultError, FaultKind
from simulators.live import LiveCity, TimedMessage, follow
from simulators.timetable import nominal_progress, scheduled_progress
from simulators.tiny import BUS_BREAKS, GROUND_BREAKS
from tests.paths import REPO
from tests.simulators.table import MONDAY, table

CALENDAR = Calendar("Europe/Bucharest", "RO")
_EIGHT = MONDAY + timedelta(hours=8)
_MINUTE = timedelta(minutes=1)

HFP_METRICS = {
    "lat": "latitude",
    "long": "longitude",
    "spd": "speed",
    "hdg": "heading",
    "acc": "acceleration",
    "dl": "schedule_offset",
    "odo": "odometer",
    "drst": "door_open",
    "occu": "occupancy",
}


def readings(messages: Iterable[TimedMessage]) -> dict[tuple[str, str], list[tuple[datetime, float]]]:
    """Return what measurements say, by asset and metric, in order of event time; HFP events are left out."""
    found: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
    for message in messages:
        body: dict[str, Any] = orjson.loads(message.payload)
        levels = message.topic.split("/")
        if levels[0] == "cityvigil":
            time = datetime.fromisoformat(body["time"])
            for one in body["readings"]:
                if one["value"] is not None:
                    found.setdefault((levels[4], one["metric"]), []).append((time, one["value"]))
        elif "VP" in body:
            time = datetime.fromisoformat(body["VP"]["tst"])
            name = f"hsl:{int(levels[7])}/{int(levels[8])}"
            for key, metric in HFP_METRICS.items():
                found.setdefault((name, metric), []).append((time, body["VP"][key]))
    return {series: sorted(values) for series, values in found.items()}


def _digest(messages: Iterable[TimedMessage]) -> str:
    digest = hashlib.sha256()
    for message in messages:
        digest.update(f"{message.due.isoformat()} {message.topic} ".encode() + message.payload)
    return digest.hexdigest()


_OTHER_PROCESS = """
from datetime import datetime, timedelta
from simulators.city import build_city
from tests.simulators.test_live import _digest
from simulators.live import LiveCity
start = datetime.fromisoformat("{start}")
live = LiveCity(build_city("tiny", seed=7))
list(live.messages(start - timedelta(hours=30), start - timedelta(hours=29, minutes=58)))
print(_digest(live.messages(start, start + timedelta(minutes=7))))
"""


def test_two_processes_publish_the_same_bytes(city: City) -> None:
    here = _digest(LiveCity(city).messages(_EIGHT, _EIGHT + 7 * _MINUTE))
    script = _OTHER_PROCESS.format(start=_EIGHT.isoformat())
    there = subprocess.run([sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 900_000_000), max_size=4))
def test_a_span_may_be_cut_anywhere(city: City, cuts: list[int]) -> None:
    start, end = MONDAY - 7 * _MINUTE, MONDAY + 8 * _MINUTE
    edges = [start, *sorted(start + timedelta(microseconds=cut) for cut in cuts), end]
    live = LiveCity(city)
    parts = [message for begin, until in pairwise(edges) for message in live.messages(begin, until)]
    assert _digest(parts) == _digest(live.messages(start, end))


def test_messages_come_by_due_time_and_shortly_after_what_they_report(city: City) -> None:
    messages = list(LiveCity(city).messages(_EIGHT, _EIGHT + 10 * _MINUTE))
    assert [message.due for message in messages] == sorted(message.due for message in messages)
    for message in messages:
        assert _EIGHT <= message.due < _EIGHT + 10 * _MINUTE
        body = orjson.loads(message.payload)
        time = datetime.fromisoformat(body["time"] if "time" in body else next(iter(body.values()))["tst"])
        assert timedelta(0) < message.due - time <= timedelta(seconds=6)


def test_nothing_that_happens_is_lost_or_said_twice(city: City) -> None:
    found = readings(LiveCity(city).messages(_EIGHT, _EIGHT + 60 * _MINUTE))
    assert set(found) == {(one.asset, one.metric) for one in city.series}
    for values in found.values():
        assert len({time for time, _ in values}) == len(values)
    counts = [len(found[asset.name, "speed"]) for asset in city.assets if asset.kind == "vehicle"]
    # 720 samples an hour less 1 %.
    assert 695 <= min(counts) <= max(counts) <= 721
    assert 0.005 < 1 - np.mean(counts) / 720 < 0.015


def test_history_of_the_ground_is_what_was_published(city: City) -> None:
    end = _EIGHT + 60 * _MINUTE
    found, kept = readings(LiveCity(city).messages(_EIGHT, end + _MINUTE)), table(city, _EIGHT, end)
    for series in (("dma-1", "flow"), ("dma-1", "pressure_6"), ("tank-1", "level"), ("lamp-05", "active_power")):
        published = {int((time - _EIGHT) / (5 * _MINUTE)): value for time, value in found[series] if time < end}
        archived = {step: value for step, value in enumerate(kept[series].tolist()) if value == value}  # noqa: PLR0124
        assert published == archived


@pytest.mark.parametrize("start", [_EIGHT, MONDAY - 10 * _MINUTE], ids=["morning", "over midnight"])
def test_history_of_buses_is_the_mean_or_the_last_of_what_was_published(city: City, start: datetime) -> None:
    end = start + 20 * _MINUTE
    found, kept = readings(LiveCity(city).messages(start - 5 * _MINUTE, end + _MINUTE)), table(city, start, end)
    means = {"speed", "acceleration", "schedule_offset", "occupancy"}
    for one in city.series[: 9 * 30]:
        for step, archived in enumerate(kept[one.asset, one.metric].tolist()):
            stamp = start + step * 5 * _MINUTE
            within = [v for time, v in found[one.asset, one.metric] if stamp - 5 * _MINUTE < time <= stamp]
            expected = float(np.mean(within)) if one.metric in means else within[-1]
            assert archived == pytest.approx(expected, abs=1e-9)


_ASSETS = {
    FaultKind.BURST: "dma-1",
    FaultKind.BACKGROUND_LEAK: "dma-1",
    FaultKind.PRESSURE_STUCK: "dma-1",
    FaultKind.LAMP_OUT: "lamp-11",
    FaultKind.DAY_BURNER: "lamp-25",
    FaultKind.FEEDER_LOSS: "feeder-2",
    FaultKind.BUS_BREAKDOWN: "hsl:12/1307",
    FaultKind.GPS_FREEZE: "hsl:18/679",
}
# From daylight into the night, so that lamps have both to be wrong in; not on a sampling stamp.
_BREAKS_AT = MONDAY + timedelta(hours=13, minutes=57, seconds=12)


def _fault(kind: FaultKind) -> Fault:
    return Fault(kind, _ASSETS[kind], _BREAKS_AT, _BREAKS_AT + timedelta(hours=3))


@pytest.mark.parametrize("kind", sorted({*BUS_BREAKS, *GROUND_BREAKS}))
def test_a_fault_changes_history_from_its_start_on_and_only_what_it_names(city: City, kind: FaultKind) -> None:
    fault = _fault(kind)
    span = (MONDAY, MONDAY + timedelta(days=1))
    calm, broken = table(city, *span), table(city, *span, (fault,))
    steps_before = 14 * 12
    changed = set()
    for series, values in calm.items():
        assert np.array_equal(values[:steps_before], broken[series][:steps_before], equal_nan=True)
        if not np.array_equal(values, broken[series], equal_nan=True):
            changed.add(series)
    assert {asset for asset, _ in changed} == set(affected_assets(city, fault))


@pytest.mark.parametrize("kind", sorted({*BUS_BREAKS, *GROUND_BREAKS}))
def test_a_fault_changes_messages_from_its_start_on(city: City, kind: FaultKind) -> None:
    start, end = _BREAKS_AT - 6 * _MINUTE, _BREAKS_AT + 4 * _MINUTE
    calm = list(LiveCity(city).messages(start, end))
    broken = list(LiveCity(city, [_fault(kind)]).messages(start, end))
    assert [m for m in calm if m.due < _BREAKS_AT] == [m for m in broken if m.due < _BREAKS_AT]
    before = {series: [v for v in values if v[0] < _BREAKS_AT] for series, values in readings(calm).items()}
    assert before == {series: [v for v in values if v[0] < _BREAKS_AT] for series, values in readings(broken).items()}


def test_a_fault_added_while_running_shows_as_if_it_had_been_known(city: City) -> None:
    fault = Fault(FaultKind.BUS_BREAKDOWN, "hsl:12/1124", _EIGHT + 5 * _MINUTE, _EIGHT + 50 * _MINUTE)
    live = LiveCity(city)
    end = _EIGHT + 10 * _MINUTE
    asked: list[int] = []

    def new_faults() -> tuple[Fault, ...]:
        asked.append(1)
        return (fault,) if len(asked) == 9 else ()

    running = list(follow(live, _EIGHT, new_faults, end=end))
    assert len(asked) == 20
    assert live.faults == (fault,)
    assert running == list(LiveCity(city, [fault]).messages(_EIGHT, end))
    assert running != list(LiveCity(city).messages(_EIGHT, end))


def test_a_live_city_refuses_a_fault_that_does_not_fit(city: City) -> None:
    fault = Fault(FaultKind.BURST, "lamp-01", _EIGHT, _EIGHT + _MINUTE)
    with pytest.raises(FaultError):
        LiveCity(city, [fault])
    with pytest.raises(FaultError):
        list(follow(LiveCity(city), _EIGHT, lambda: (fault,), end=_EIGHT + _MINUTE))


def test_a_bus_that_broke_down_stands_and_grows_late_and_goes_on_reporting(city: City) -> None:
    name, end = _ASSETS[FaultKind.BUS_BREAKDOWN], _BREAKS_AT + 30 * _MINUTE
    messages = list(LiveCity(city, [_fault(FaultKind.BUS_BREAKDOWN)]).messages(_BREAKS_AT, end))
    found = {
        metric: [value for time, value in values if time >= _BREAKS_AT]
        for (asset, metric), values in readings(messages).items()
        if asset == name
    }
    assert len(found["speed"]) > 340
    assert set(found["speed"]) == {0.0}
    assert len(set(found["odometer"])) == 1
    assert np.ptp(found["latitude"]) < 30 / 111_195  # the receiver wanders, the bus does not
    offset = np.array(found["schedule_offset"])
    assert (np.diff(offset) < 0).mean() > 0.95
    assert offset[0] - offset[-1] > 0.6 * 30 * 60
    calls = [m for m in messages if "/arr/bus/0012/01307/" in m.topic or "/dep/bus/0012/01307/" in m.topic]
    assert not [m for m in calls if m.due > _BREAKS_AT + timedelta(seconds=2)]


def test_a_frozen_receiver_repeats_while_the_bus_drives_on(city: City) -> None:
    name, end = _ASSETS[FaultKind.GPS_FREEZE], _BREAKS_AT + 30 * _MINUTE
    start = _BREAKS_AT - _MINUTE
    calm = readings(LiveCity(city).messages(start, end))
    frozen = readings(LiveCity(city, [_fault(FaultKind.GPS_FREEZE)]).messages(start, end))
    for metric in ("latitude", "longitude"):
        after = {value for time, value in frozen[name, metric] if time >= _BREAKS_AT}
        assert len(after) == 1
        assert len({value for time, value in calm[name, metric] if time >= _BREAKS_AT}) > 300
    assert frozen[name, "odometer"] == calm[name, "odometer"]
    assert frozen[name, "speed"] == calm[name, "speed"]


def test_buses_are_slower_and_later_in_the_rush_hour(city: City) -> None:
    seen = table(city, MONDAY, MONDAY + timedelta(days=5))
    names = [asset.name for asset in city.assets if asset.kind == "vehicle"]
    by_metric = {
        metric: np.nanmean([seen[name, metric].reshape(5, 288) for name in names], axis=(0, 1))
        for metric in ("speed", "schedule_offset", "occupancy")
    }
    rush, night = slice(12 * 5 + 6, 12 * 6 + 6), slice(12, 36)  # local 07:30-08:30 and 03:00-05:00
    assert by_metric["speed"][rush].mean() < 0.9 * by_metric["speed"][night].mean()
    assert by_metric["schedule_offset"][rush].mean() < by_metric["schedule_offset"][night].mean() - 40
    assert by_metric["occupancy"][rush].mean() > 4 * by_metric["occupancy"][night].mean()


def test_the_odometer_says_what_the_speed_says(city: City) -> None:
    found = readings(LiveCity(city).messages(_EIGHT, _EIGHT + 30 * _MINUTE))
    for asset in [asset.name for asset in city.assets if asset.kind == "vehicle"][::7]:
        speed, odometer = (np.array([v for _, v in found[asset, metric]]) for metric in ("speed", "odometer"))
        times = np.array([time.timestamp() for time, _ in found[asset, "speed"]])
        driven, gap = np.diff(odometer), np.diff(times)
        same_trip = driven >= 0
        expected = (speed[1:] + speed[:-1]) / 2 * gap
        assert np.sum(expected[same_trip]) == pytest.approx(np.sum(driven[same_trip]), rel=0.04)


@pytest.mark.parametrize("seed", range(4))
def test_buses_never_drive_backwards_and_the_timetable_ends_its_day_whole(seed: int) -> None:
    for day in range(20_700, 20_730):
        assert np.diff(nominal_progress(seed, CALENDAR, day)).min() > 0.0
        timetable = scheduled_progress(CALENDAR, day)
        assert (timetable[0], timetable[-1]) == pytest.approx((0.0, 86_400.0))


def test_midnight_is_no_seam_for_a_bus(city: City) -> None:
    found = readings(LiveCity(city).messages(MONDAY - 2 * _MINUTE, MONDAY + 2 * _MINUTE))
    for asset in [asset.name for asset in city.assets if asset.kind == "vehicle"]:
        north = np.array([value for _, value in found[asset, "latitude"]])
        offset = np.array([value for _, value in found[asset, "schedule_offset"]])
        assert np.abs(np.diff(north)).max() * 111_195 < 16 * 15
        assert np.abs(np.diff(offset)).max() <= 5


def test_publishing_is_utc(city: City) -> None:
    first = next(LiveCity(city).messages(_EIGHT, _EIGHT + _MINUTE))
    assert first.due.tzinfo is UTC
