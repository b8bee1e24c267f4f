"""What is said of a set."""

from pathlib import Path

import pytest

from benchmarks.scorecard.labelled import may_be_drawn, read_sets, signal_label
from core.errors import InputFileError
from tests.benchmarks.making import write_set
from tests.paths import SHARED

SETS = SHARED / "datasets"


@pytest.mark.parametrize("licence", ["MIT", "CC BY 4.0", "own", "own simulation"])
def test_a_licence_that_is_known_to_allow_it_may_be_drawn(licence: str) -> None:
    assert may_be_drawn(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "",
        "mit",
        "MIT-like",
        "GPL-3.0 (data): measure with it, do not copy into the project",
        "none stated: measure with it, do not redistribute or copy into the project",
        "public competition data, none stated in the copy",
        "CC BY-NC 4.0",
        "own, confidential",
    ],
)
def test_any_other_may_not(licence: str) -> None:
    assert not may_be_drawn(licence)


@pytest.mark.skipif(not SETS.exists(), reason=f"needs the labelled sets in {SETS}")
def test_sets_without_a_free_licence_are_not_drawn() -> None:
    drawn = {labelled.name for labelled in read_sets(SETS) if labelled.may_be_drawn}
    assert drawn == {"nab-transport-dev", "leaks-dev", "drinking-water-dev", "lighting-dev"}


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("active_power", "active power (W)"),
        ("power_factor", "power factor"),
        ("p_27", "pressure p_27 (m)"),
        ("Tp", "Tp (°C)"),
        ("Cl_2", "Cl 2 (mg/L)"),
        ("Cl_2_raw", "Cl 2 raw (mV)"),
        ("other", "other"),
        ("value", "speed_7578"),
    ],
)
def test_a_signal_is_labelled_with_its_unit_by_name_or_longest_beginning(metric: str, label: str) -> None:
    units = {
        "active_power": "W", "power_factor": "1", "p_": "pressure, m", "Tp": "Cel", "Cl": "mg/L", "Cl_2_": "mV",
        "value": "as in the file name",
    }  # fmt: skip
    assert signal_label(units, "speed_7578", metric) == label


def test_sets_are_read_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_set(tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert [one.name for one in read_sets(tmp_path)] == ["a", "b", "c"]
    assert [one.name for one in read_sets(tmp_path, ("c", "a"))] == ["a", "c"]


@pytest.mark.parametrize("only", [(), ("elsewhere",)])
def test_a_set_that_is_not_there_is_an_error(tmp_path: Path, only: tuple[str, ...]) -> None:
    with pytest.raises(InputFileError, match="elsewhere" if only else "no folder"):
        read_sets(tmp_path, only)


def test_a_description_without_a_domain_is_an_error(tmp_path: Path) -> None:
    write_set(tmp_path / "town")
    (tmp_path / "town" / "dataset.json").write_text('{"train_until": {}}')
    with pytest.raises(InputFileError, match="domain"):
        read_sets(tmp_path)
