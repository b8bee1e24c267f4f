import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputFileError, PermanentError
from simulators.city import City, build_city
from simulators.fault import Fault, FaultError, FaultKind
from simulators.faults import FaultTail, append_fault, check_fault, default_schedule, read_faults
from simulators.tiny import BUS_BREAKS, GROUND_BREAKS
from tests.simulators.table import MONDAY

_HOUR = timedelta(hours=1)
_BURST = Fault(FaultKind.BURST, "dma-1", MONDAY, MONDAY + _HOUR)

faults = st.builds(
    Fault,
    st.sampled_from(sorted({*BUS_BREAKS, *GROUND_BREAKS})),
    st.text(),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(timezones=st.just(UTC)),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(faults)
def test_a_fault_survives_its_line_of_json(fault: Fault) -> None:
    line = fault.to_json()
    assert "\n" not in line
    assert Fault.from_json(line) == fault


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (Fault(FaultKind.BURST, "dma-9", MONDAY, MONDAY + _HOUR), "no asset 'dma-9'"),
        (Fault(FaultKind.BURST, "tank-1", MONDAY, MONDAY + _HOUR), "fault of a dma; tank-1 is a tank"),
        (Fault(FaultKind.BURST, "dma-1", MONDAY, MONDAY), "ends after it starts"),
        (Fault(FaultKind.BURST, "dma-1", MONDAY.replace(tzinfo=None), MONDAY), "offset from UTC"),
        (Fault(FaultKind.BURST, "dma-1", datetime(1969, 1, 1, tzinfo=UTC), MONDAY), "1970"),
        (Fault(FaultKind.BURST, "dma-1", MONDAY, MONDAY + _HOUR, 0.0), "magnitude"),
        (Fault(FaultKind.BURST, "dma-1", MONDAY, MONDAY + _HOUR, float("nan")), "magnitude"),
        (Fault(FaultKind.BURST, "dma-1", MONDAY, MONDAY + _HOUR, 3.5), "magnitude"),
    ],
)
def test_a_fault_that_does_not_fit_is_refused_in_plain_words(city: City, fault: Fault, complaint: str) -> None:
    with pytest.raises(FaultError, match=complaint):
        check_fault(city, fault)
    assert issubclass(FaultError, PermanentError)


def test_a_label_file_gives_back_what_was_appended(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    other = Fault(FaultKind.LAMP_OUT, "lamp-03", MONDAY, MONDAY + _HOUR, 1.1)
    append_fault(path, _BURST)
    append_fault(path, other)
    assert read_faults(path) == (_BURST, other)


def test_a_label_file_written_by_hand_needs_no_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    path.write_text("\n" + _BURST.to_json())
    assert read_faults(path) == (_BURST,)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not a fault"),
        ("[]", "object with kind"),
        ('{"kind": "burst"}', "asset is missing"),
        ('{"kind": "burst", "asset": 7, "start": "", "end": ""}', "object with kind"),
        (_BURST.to_json().replace("burst", "flood"), "flood"),
        (_BURST.to_json().replace(MONDAY.isoformat(), "yesterday"), "yesterday"),
        (json.dumps(json.loads(_BURST.to_json()) | {"magnitude": [1]}), "not a fault"),
    ],
)
def test_a_bad_line_is_reported_with_its_file_and_number(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "faults.jsonl"
    path.write_text(f"{_BURST.to_json()}\n{line}\n")
    with pytest.raises(InputFileError, match=complaint) as caught:
        read_faults(path)
    assert (caught.value.path, caught.value.line) == (str(path), 2)


def test_a_label_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="cannot be read"):
        read_faults(tmp_path / "none.jsonl")
    with pytest.raises(InputFileError, match="cannot be written"):
        append_fault(tmp_path / "no-folder" / "none.jsonl", _BURST)


def test_the_tail_tells_each_fault_once_and_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    tail = FaultTail(path)
    assert tail() == ()
    append_fault(path, _BURST)
    assert tail() == (_BURST,)
    assert tail() == ()
    with path.open("a") as file:
        file.write(_BURST.to_json()[:30])
    assert tail() == ()
    with path.open("a") as file:
        file.write(_BURST.to_json()[30:] + "\n")
    assert tail() == (_BURST,)


def test_the_tail_leaves_out_what_its_owner_knows(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    append_fault(path, _BURST)
    tail = FaultTail(path, known=1)
    assert tail() == ()
    append_fault(path, _BURST)
    assert tail() == (_BURST,)


def test_the_default_schedule_keeps_domains_apart_and_fits_the_city(city: City) -> None:
    schedule = default_schedule(city, MONDAY, days=14)
    assert {fault.kind for fault in schedule} == {*BUS_BREAKS, *GROUND_BREAKS}
    kinds = {asset.name: asset.domain for asset in city.assets}
    last_end: dict[str, datetime] = {}
    for fault in schedule:
        check_fault(city, fault)
        domain = kinds[fault.asset]
        earliest = last_end[domain] + 4 * _HOUR if domain in last_end else MONDAY + _HOUR
        assert fault.start >= earliest - timedelta(seconds=1)
        assert fault.start <= MONDAY + timedelta(days=14)
        last_end[domain] = fault.end
    assert list(schedule) == sorted(schedule, key=lambda fault: fault.start)


def test_the_default_schedule_is_a_matter_of_the_seed(city: City) -> None:
    assert default_schedule(city, MONDAY) == default_schedule(build_city("tiny", seed=7), MONDAY)
    assert default_schedule(city, MONDAY) != default_schedule(build_city("tiny", seed=8), MONDAY)


def test_the_default_schedule_can_be_kept_to_some_kinds(city: City) -> None:
    schedule = default_schedule(city, MONDAY, kinds=[FaultKind.BURST])
    assert schedule
    assert {fault.kind for fault in schedule} == {FaultKind.BURST}
