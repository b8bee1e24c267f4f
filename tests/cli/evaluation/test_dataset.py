"""What is read of a labelled set, and what is said of one that cannot be."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.evaluation.dataset import read_dataset, read_table
from cli.evaluation.ordering import in_time_order
from core.errors import InputFileError
from tests.cli.evaluation.sets import describe, make_set, write_series

HEADER = "time,flow,label"


def table(folder: Path, *lines: str) -> Path:
    return write_series(folder, "meter", lines)


def test_a_table_is_read_as_it_stands(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "time,flow,level,label,fault",
        "2026-02-02T00:00:00Z,1.5,,0,",
        "2026-02-02T01:00:00+01:00,nan,-2e3,1,burst",
        "2026-02-02T00:00:30.5Z, 4 ,NULL,0,",
    )
    with pytest.raises(InputFileError, match="line 4: level 'NULL' is no finite number"):
        read_table(path)
    read = read_table(table(tmp_path, "time,flow,level,label,fault", "2026-02-02T01:00:00+01:00,1.5,,1,burst"))
    assert read.stamps == ("2026-02-02T01:00:00+01:00",)
    assert read.times.tolist() == [np.datetime64("2026-02-02T00:00:00", "us").item()]
    assert read.metrics == ("flow", "level")
    np.testing.assert_array_equal(read.values, [[1.5, np.nan]])
    assert read.labels is not None
    assert read.labels.tolist() == [1]


def test_what_is_missing_may_be_written_in_several_ways(tmp_path: Path) -> None:
    words = ["", "nan", "NaN", "null", "NA", " "]
    read = read_table(table(tmp_path, HEADER, *(f"2026-02-02T0{n}:00:00Z,{word},0" for n, word in enumerate(words))))
    assert np.isnan(read.values).all()
    assert read.values.shape == (len(words), 1)


def test_labels_may_be_absent_and_a_file_may_have_no_row(tmp_path: Path) -> None:
    assert read_table(table(tmp_path, "time,flow", "2026-02-02T00:00:00Z,1")).labels is None
    empty = read_table(table(tmp_path, HEADER))
    assert empty.values.shape == (0, 1)
    assert in_time_order(empty).place.shape == (0,)


GOOD = "2026-02-02T00:00:00Z,1,0"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "line 1: the file is empty"),
        (["flow,label", "1,0"], "line 1: needs a column 'time'"),
        (["time,label", "2026-02-02T00:00:00Z,0"], "line 1: needs a column 'time' and at least one signal"),
        (["time,flow,flow", GOOD], "line 1: two columns have the same name"),
        ([HEADER, GOOD, "yesterday,1,0"], "line 3: time 'yesterday' is no ISO 8601 time"),
        ([HEADER, GOOD, "", GOOD], "line 3: time '' is no ISO 8601 time"),
        ([HEADER, GOOD, "2026-02-30T00:00:00Z,1,0"], "line 3: time '2026-02-30T00:00:00Z'"),
        ([HEADER, GOOD, GOOD, "2026-02-02T00:00:00Z,1_000,0"], "line 4: flow '1_000' is no finite number"),
        ([HEADER, "2026-02-02T00:00:00Z,inf,0"], "line 2: flow 'inf' is no finite number"),
        ([HEADER, "2026-02-02T00:00:00Z,1e400,0"], "line 2: flow '1e400' is no finite number"),
        ([HEADER, "2026-02-02T00:00:00Z,1,2"], "line 2: label '2' is neither 0 nor 1"),
        ([HEADER, GOOD, "2026-02-02T00:00:00Z,1,0,9,9"], "line 3: has more fields than columns"),
        ([HEADER, GOOD, "2026-02-02T01:00:00Z,1"], "line 3: label"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, lines: list[str], said: str) -> None:
    path = table(tmp_path, *lines)
    with pytest.raises(InputFileError) as caught:
        read_table(path)
    assert f"{path}, {said}" in str(caught.value)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = table(tmp_path, HEADER, *[f"2026-02-02T00:00:{n:02}Z,{n},0" for n in range(60)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputFileError, match=r"meter\.csv\.gz: is damaged"):
        read_table(path)
    path.write_bytes(b"time,flow\n")
    with pytest.raises(InputFileError, match=r"meter\.csv\.gz: is damaged"):
        read_table(path)
    path.write_bytes(gzip.compress(b"time,fl\xff\n"))
    with pytest.raises(InputFileError, match=r"meter\.csv\.gz: is damaged"):
        read_table(path)
    with pytest.raises(InputFileError, match="cannot be read: No such file"):
        read_table(tmp_path / "other.csv.gz")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"interval_s": 0}, "interval_s is 0"),
        ({"interval_s": -5}, "interval_s is -5"),
        ({"interval_s": "often"}, "interval_s"),
        ({"time_zone": "Mars/Olympus"}, "time_zone: 'Mars/Olympus' is no IANA time zone"),
        ({"train_until": {"meter-0": "soon"}}, "train_until of meter-0: 'soon' is no ISO 8601 time"),
        ({"train_until": {"../meter": "2026-02-02T00:00:00Z"}}, "'../meter' is no name of a series"),
        ({"train_until": None}, "train_until"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    make_set(tmp_path, **changes)
    with pytest.raises(InputFileError) as caught:
        read_dataset(tmp_path)
    assert str(tmp_path / "dataset.json") in str(caught.value)
    assert said in str(caught.value)


def test_a_description_may_be_missing_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"dataset\.json: cannot be read"):
        read_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(InputFileError, match=r"dataset\.json"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("said", "zone", "country"),
    [
        ({}, "Europe/Bucharest", "RO"),
        ({"local_clock": True}, "UTC", "RO"),
        ({"time_zone": None, "country": None}, "UTC", ""),
    ],
)
def test_habits_follow_the_clock_that_the_stamps_are_written_in(
    tmp_path: Path, said: dict[str, object], zone: str, country: str
) -> None:
    describe(tmp_path, ["meter-0"], **said)
    calendar = read_dataset(tmp_path).calendar
    assert (calendar.time_zone, calendar.country) == (zone, country)


def test_a_series_may_be_packed_or_plain(tmp_path: Path) -> None:
    describe(tmp_path, ["meter"])
    dataset = read_dataset(tmp_path)
    assert dataset.path_of("meter").name == "meter.csv.gz"
    (tmp_path / "meter.csv").write_text(f"{HEADER}\n{GOOD}\n")
    assert read_table(dataset.path_of("meter")).stamps == ("2026-02-02T00:00:00Z",)


def test_rows_are_put_in_order_and_the_first_of_a_time_stays(tmp_path: Path) -> None:
    rows = ["02,1,0", "01,2,0", "02,1,0", "04,3,0", "01,7,0", "03,,0", "03,,0"]
    ordered = in_time_order(
        read_table(table(tmp_path, HEADER, *(f"2026-02-02T{row.replace(',', ':00:00Z,', 1)}" for row in rows)))
    )
    assert [int(t.item().hour) for t in ordered.times] == [1, 2, 3, 4]
    np.testing.assert_array_equal(ordered.values[:, 0], [2, 1, np.nan, 3])
    assert ordered.place.tolist() == [1, 0, 1, 3, 0, 2, 2]
    assert (ordered.out_of_order, ordered.duplicates, ordered.conflicts) == (4, 2, 1)


def test_what_must_not_be_known_is_not_read(tmp_path: Path) -> None:
    make_set(tmp_path)
    read = read_dataset(tmp_path)
    described = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps({**described, "name": "x", "peers": [1], "licence": {}}))
    assert read_dataset(tmp_path) == read
