"""Cities of departments: their size, what holds across departments, and that a seed always makes the same bytes."""

import hashlib
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from core.asset import Domain
from core.message import Decoded, Message
from core.units import is_unit
from ingest.decoders import decode_message
from simulators.city import City, build_city
from simulators.departments import affected_assets, branches_of, edges_of
from simulators.fault import EFFECTS, Fault, FaultError, FaultKind
from simulators.faults import check_fault, default_schedule
from simulators.history import history
from simulators.live import LiveCity, TimedMessage
from tests.paths import REPO

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)

GOLDEN = {
    ("tiny", 2): "e1afea155242",
    ("small", 2): "dff7da07113e",
    ("medium", 1): "9edb6a20fa45",
}
"""Digest of some days of each city with the default seed: they change only when somebody means them to."""

_DIGEST = """
import hashlib, sys
from datetime import UTC, datetime, timedelta
from simulators.city import build_city
from simulators.history import history
begin = datetime(2026, 3, 2, tzinfo=UTC)
digest = hashlib.sha256()
for block in history(build_city(sys.argv[1]), begin, begin + timedelta(days=int(sys.argv[2]))):
    digest.update(block.values.tobytes())
    digest.update(block.series_index.tobytes())
print(digest.hexdigest()[:12])
"""


@pytest.fixture(scope="module")
def small() -> City:
    return build_city("small")


@pytest.mark.parametrize(("name", "days"), sorted(GOLDEN))
def test_the_same_seed_makes_the_same_bytes_in_any_process(name: str, days: int) -> None:
    arguments = [sys.executable, "-c", _DIGEST, name, str(days)]
    done = subprocess.run(arguments, cwd=REPO, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == GOLDEN[name, days]


def test_another_seed_makes_another_city(small: City) -> None:
    other = build_city("small", seed=7)
    assert other.series != small.series or digest(other) != digest(small)


def digest(city: City) -> str:
    found = hashlib.sha256()
    for block in history(city, BEGIN, BEGIN + timedelta(hours=2)):
        found.update(block.values.tobytes())
    return found.hexdigest()


def test_sizes_are_as_promised(small: City) -> None:
    medium = build_city("medium")
    assert 4_900 <= len(small.series) <= 5_100
    assert 99_000 <= len(medium.series) <= 101_000
    for city in (small, medium):
        assert {asset.domain for asset in city.assets} == set(Domain)


def test_names_units_and_edges_fit_together(small: City) -> None:
    names = [asset.name for asset in small.assets]
    assert len(set(names)) == len(names)
    assert len({(one.asset, one.metric) for one in small.series}) == len(small.series)
    assert {one.asset for one in small.series} <= set(names)
    assert {name for edge in edges_of(small) for name in edge} <= set(names)
    assert all(parent != child for parent, child in edges_of(small))
    assert {one.unit for one in small.series if not is_unit(one.unit)} == set()
    assert {one.expected_interval_s for one in small.series} == {300.0, 900.0}


def test_history_is_what_the_departments_say_in_order(small: City) -> None:
    blocks = list(history(small, BEGIN, BEGIN + timedelta(hours=3)))
    assert len(blocks) == 2
    for block in blocks:
        assert not np.isnan(block.values).any()
        keys = block.times.astype(np.int64) * 10_000 + block.series_index
        assert (np.diff(keys) > 0).all()
    spoken = {int(number) for block in blocks for number in np.unique(block.series_index)}
    # Few vehicles are out between two and five at night.
    assert len(spoken) > 0.7 * len(small.series)
    first = 0
    for department, _, _ in branches_of(small):
        values = department.values(int(BEGIN.timestamp() // 86_400))
        assert values.shape == (len(department.series), 86_400 // department.step_s)
        row = int(np.flatnonzero(~np.isnan(values[:, 0]))[0])
        found = [
            b.values[(b.series_index == first + row) & (b.times == np.datetime64(BEGIN.replace(tzinfo=None)))]
            for b in blocks
        ]
        assert np.concatenate(found).tolist() == [values[row, 0]]
        first += len(department.series)


def test_messages_say_what_history_says_whatever_spans_are_asked_for(small: City) -> None:
    live, end = LiveCity(small), BEGIN + timedelta(minutes=20)
    whole = list(live.messages(BEGIN, end))
    cuts = [BEGIN + timedelta(minutes=minute) for minute in (0, 4, 8, 12, 16, 20)]
    parts = [message for start, stop in pairwise(cuts) for message in live.messages(start, stop)]
    assert parts == whole
    assert [m.due for m in whole] == sorted(m.due for m in whole)
    told = {
        (one.device, one.metric, np.datetime64(one.time.replace(tzinfo=None), "us")): one.value
        for message in whole
        for one in understood(message).readings
    }
    stored = {
        (small.series[number].asset, small.series[number].metric, time): value
        for block in history(small, BEGIN, end)
        for number, time, value in zip(block.series_index.tolist(), block.times, block.values.tolist(), strict=True)
    }
    assert told == stored


def understood(message: TimedMessage) -> Decoded:
    decoded = decode_message(Message(message.topic, message.payload, message.due), 262_144)
    assert isinstance(decoded, Decoded), decoded
    return decoded


def test_every_kind_of_fault_says_what_it_does_and_befalls_something(small: City) -> None:
    assert set(EFFECTS) == set(FaultKind)
    known = {kind for _, breaks, lasts in branches_of(small) for kind in breaks if kind in lasts}
    assert known == set(FaultKind)


def test_a_schedule_fits_the_city_and_uses_every_domain(small: City) -> None:
    schedule = default_schedule(small, BEGIN, days=21)
    domains = {asset.name: asset.domain for asset in small.assets}
    for fault in schedule:
        check_fault(small, fault)
        assert affected_assets(small, fault)[0] == fault.asset
    assert set(Counter(domains[fault.asset] for fault in schedule)) == set(Domain)


@pytest.mark.parametrize(
    ("kind", "asset", "said"),
    [
        (FaultKind.PUMP_LOSS, "lamp-00001", "pump_loss is a fault of a pump or pump_station; lamp-00001 is a lamp"),
        (FaultKind.PUMP_LOSS, "pump-99", "there is no asset 'pump-99'"),
    ],
)
def test_a_fault_of_another_thing_is_refused(small: City, kind: FaultKind, asset: str, said: str) -> None:
    with pytest.raises(FaultError, match=said):
        check_fault(small, Fault(kind, asset, BEGIN, BEGIN + DAY))


def test_a_fault_that_a_city_knows_nothing_of_is_refused() -> None:
    tiny = build_city("tiny")
    with pytest.raises(FaultError, match="nothing in the city tiny can break by contamination"):
        check_fault(tiny, Fault(FaultKind.CONTAMINATION, "tank-1", BEGIN, BEGIN + DAY))


def test_a_fault_shows_on_what_it_names_and_on_nothing_else(small: City) -> None:
    start = BEGIN + timedelta(hours=6)
    faults = [
        Fault(FaultKind.BURST, "dma-003", start, start + timedelta(hours=5)),
        Fault(FaultKind.ROAD_BLOCKED, "road-0060", start, start + timedelta(hours=3)),
        Fault(FaultKind.DAY_BURNER, "lamp-00200", start, start + timedelta(hours=9)),
    ]
    for fault in faults:
        named, changed = set(affected_assets(small, fault)), set()
        day = int(BEGIN.timestamp() // 86_400)
        for department, _, _ in branches_of(small):
            calm, broken = department.values(day), department.values(day, (fault,))
            differs = ~((calm == broken) | (np.isnan(calm) & np.isnan(broken))).all(axis=1)
            changed |= {department.series[row].asset for row in np.flatnonzero(differs)}
        assert changed
        assert changed <= named
        assert fault.asset in changed or fault.kind is FaultKind.ROAD_BLOCKED
