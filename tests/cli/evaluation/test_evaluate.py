"""`cityvigil evaluate` as its users see it: files in, files out, from a process of its own."""

import csv
import gzip
import importlib.util
import json
import signal
import subprocess
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from cli.evaluation.progress import Progress, Rows, Tally
from cli.evaluation.run import Options, evaluate
from cli.evaluation.series import RECORDS, SeriesTask, finished
from core.errors import InputFileError, SettingsError
from core.settings import EngineSettings
from tests.cli.calling import argv, call, environment
from tests.cli.evaluation.sets import FAULT, HISTORY, ROWS, describe, lines_of, make_set, stamp, write_series
from tests.cli.processes import processes_of
from tests.paths import SHARED
from tests.wait import wait_until

CHEAP = EngineSettings(detectors=("slot_median", "windowed_gaussian"))
OPTIONS = Options(CHEAP, budget=10.0, jobs=1)


def run(folder: Path, out: Path, options: Options = OPTIONS) -> dict[str, Any]:
    summary = evaluate(folder, out, options, lambda _: None)
    content: dict[str, Any] = msgspec.json.decode(summary.read_bytes())
    return content


def scores(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.glob("*.csv")}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, "subprocess.CompletedProcess[str]"]:
    """Return a set, what the command made of it with the live detectors, and what it said."""
    folder = make_set(tmp_path_factory.mktemp("set") / "made-up")
    out = folder.parent / "out"
    said = call(["evaluate", str(folder), "--out", str(out)], folder.parent)
    assert said.returncode == 0, said.stderr
    return folder, out, said


def test_each_row_gets_a_line_under_its_own_stamp(done: tuple[Path, Path, object]) -> None:
    _, out, _ = done
    for number in range(2):
        rows = rows_of(out / f"meter-{number}.csv")
        assert list(rows[0]) == ["time", "score", "alarm"]
        assert [row["time"] for row in rows] == [stamp(n) for n in range(ROWS)]
        assert {row["score"] for row in rows[:HISTORY]} == {""}
        assert {row["alarm"] for row in rows[:HISTORY]} == {"0"}
        assert all(row["score"] for row in rows[HISTORY:])


def test_the_fault_is_found_and_nothing_else(done: tuple[Path, Path, object]) -> None:
    _, out, _ = done
    for number in range(2):
        rows = rows_of(out / f"meter-{number}.csv")
        alarms = [n for n, row in enumerate(rows) if row["alarm"] == "1"]
        assert alarms
        # Lags of twelve rows see a fault for so long after it; a few rows are odd by chance.
        assert alarms[0] in FAULT
        assert alarms[-1] < FAULT.stop + 16
        inside, outside = (
            [float(r["score"]) for n, r in enumerate(rows) if r["score"] and (n in FAULT) is w] for w in (True, False)
        )
        assert np.median(inside) > np.quantile(outside, 0.99)


def test_the_summary_holds_measures_cost_and_what_was_read(done: tuple[Path, Path, object]) -> None:
    _, out, said = done
    summary = json.loads((out / "summary.json").read_text())
    assert summary["detectors"] == list(EngineSettings().detectors)
    assert summary["budget"] == 10
    assert summary["measures"]["auc"] > 0.9
    assert summary["measures"]["event_recall"] == 1.0
    assert summary["measures"]["false_alarms_per_week"] == 0.0
    assert summary["cost"]["rows"] == 2 * ROWS
    assert summary["cost"]["fits"] >= 2
    assert summary["cost"]["rows_per_s_per_core"] > 0
    assert summary["series"]["meter-0"]["rows"] == ROWS
    assert summary["series"]["meter-0"]["judged_rows"] == ROWS - HISTORY
    assert isinstance(said, subprocess.CompletedProcess)
    assert "auc" in said.stdout
    assert "summary.json" in said.stderr


def test_the_summary_agrees_with_an_outside_scorer(done: tuple[Path, Path, object]) -> None:
    folder, out, _ = done
    path = SHARED / "tools" / "score.py"
    if not path.exists():
        pytest.skip("the outside scorer is not beside the project")
    spec = importlib.util.spec_from_file_location("outside_score", path)
    assert spec is not None
    assert spec.loader is not None
    outside = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.dont_write_bytecode", True)
        # It turns all warnings off as it is loaded.
        with warnings.catch_warnings():
            spec.loader.exec_module(outside)
    theirs = outside.score_set(folder, out)
    ours = json.loads((out / "summary.json").read_text())["measures"]
    # It has VUS-PR only where its own library is installed.
    assert len(theirs) >= 10
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-9), name


def test_neither_name_nor_labels_nor_peers_change_a_score(tmp_path: Path) -> None:
    plain = make_set(tmp_path / "one", series=1)
    run(plain, tmp_path / "a")
    other = tmp_path / "traffic-counts-2019"
    describe(other, ["meter-0"], name="nab", peers=[], licence="none", origin="elsewhere", note="x", unit={})
    header, *rows = lines_of(0)
    rng = np.random.default_rng(1)
    shuffled = rng.permutation([row.rsplit(",", 1)[1] for row in rows])
    write_series(
        other,
        "meter-0",
        [header, *(f"{row.rsplit(',', 1)[0]},{label}" for row, label in zip(rows, shuffled, strict=True))],
    )
    run(other, tmp_path / "b")
    assert scores(tmp_path / "a") == scores(tmp_path / "b")
    renamed = tmp_path / "renamed"
    describe(renamed, ["c-town"])
    (renamed / "c-town.csv.gz").write_bytes((plain / "meter-0.csv.gz").read_bytes())
    run(renamed, tmp_path / "c")
    assert scores(tmp_path / "c")["c-town.csv"] == scores(tmp_path / "a")["meter-0.csv"]


def test_columns_that_are_no_inputs_change_nothing(tmp_path: Path) -> None:
    plain = make_set(tmp_path / "one", series=1)
    run(plain, tmp_path / "a")
    describe(tmp_path / "two", ["meter-0"])
    header, *rows = lines_of(0)
    write_series(tmp_path / "two", "meter-0", [f"{header},label_share,fault", *(f"{row},0.5,burst" for row in rows)])
    run(tmp_path / "two", tmp_path / "b")
    assert scores(tmp_path / "a") == scores(tmp_path / "b")


def test_signals_of_one_asset_are_judged_together_others_apart(tmp_path: Path) -> None:
    settings = EngineSettings(detectors=("pca_lags",))
    together = run(
        make_set(tmp_path / "t", 1, ("flow", "level"), grouped=True), tmp_path / "a", Options(settings, 10.0, 1)
    )
    apart = run(
        make_set(tmp_path / "u", 1, ("flow", "level"), grouped=False), tmp_path / "b", Options(settings, 10.0, 1)
    )
    assert apart["cost"]["fits"] == 2 * together["cost"]["fits"]
    assert scores(tmp_path / "a") != scores(tmp_path / "b")
    assert apart["measures"]["event_recall"] == together["measures"]["event_recall"] == 1.0


def test_the_order_of_rows_does_not_matter_and_repeated_ones_count_once(tmp_path: Path) -> None:
    run(make_set(tmp_path / "one", series=1), tmp_path / "a")
    header, *rows = lines_of(0)
    stamped = {row["time"]: (row["score"], row["alarm"]) for row in rows_of(tmp_path / "a" / "meter-0.csv")}
    mixed = [*np.random.default_rng(2).permutation(rows), rows[ROWS - 5], rows[ROWS - 9].replace(",", ",9", 1)]
    describe(tmp_path / "two", ["meter-0"])
    write_series(tmp_path / "two", "meter-0", [header, *mixed])
    summary = run(tmp_path / "two", tmp_path / "b")
    found = rows_of(tmp_path / "b" / "meter-0.csv")
    assert [row["time"] for row in found] == [row.split(",")[0] for row in mixed]
    assert all((row["score"], row["alarm"]) == stamped[row["time"]] for row in found)
    told = summary["series"]["meter-0"]
    assert (told["duplicates"], told["conflicts"]) == (1, 1)
    assert told["out_of_order"] > 0


def test_a_series_without_labels_or_rows_is_judged_and_not_measured(tmp_path: Path) -> None:
    describe(tmp_path / "set", ["bare", "empty", "single"])
    write_series(tmp_path / "set", "bare", [line.rsplit(",", 1)[0] for line in lines_of(0)])
    write_series(tmp_path / "set", "empty", ["time,flow,label"])
    write_series(tmp_path / "set", "single", lines_of(0)[:2])
    summary = run(tmp_path / "set", tmp_path / "out")
    assert summary["series"]["bare"]["judged_rows"] > 0
    assert summary["series"]["bare"]["measures"] == {}
    assert summary["series"]["single"]["judged_rows"] == 0
    assert scores(tmp_path / "out")["empty.csv"] == "time,score,alarm\n"
    assert summary["measures"] == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-03-09T12:00:00Z,twelve,0", "meter-1.csv.gz, line 800: flow 'twelve' is no finite number"),
        ("noon,12,0", "meter-1.csv.gz, line 800: time 'noon' is no ISO 8601 time"),
    ],
)
def test_a_row_that_cannot_be_read_ends_the_command_and_is_named(tmp_path: Path, line: str, said: str) -> None:
    make_set(tmp_path / "set", series=1)
    describe(tmp_path / "set", ["meter-0", "meter-1"])
    write_series(tmp_path / "set", "meter-1", [*lines_of(1)[:799], line])
    told = call(
        ["evaluate", str(tmp_path / "set"), "--out", str(tmp_path / "out"), "--detectors", "slot_median"], tmp_path
    )
    assert told.returncode == 1
    assert told.stderr.splitlines()[-1].startswith("cityvigil: ")
    assert said in told.stderr
    assert "Traceback" not in told.stderr


def test_a_file_that_is_not_there_and_a_detector_that_nobody_knows_are_named(tmp_path: Path) -> None:
    make_set(tmp_path / "set", series=1)
    with pytest.raises(SettingsError, match="crystal_ball"):
        run(tmp_path / "set", tmp_path / "out", Options(EngineSettings(detectors=("crystal_ball",)), 10.0))
    describe(tmp_path / "set", ["meter-0", "meter-9"])
    with pytest.raises(InputFileError, match=r"meter-9\.csv\.gz: is named in dataset\.json and is not there"):
        run(tmp_path / "set", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_killed_run_goes_on_where_it_stopped_and_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", series=6)
    names = "prophet_band"
    words = ["evaluate", str(folder), "--detectors", names, "--jobs", "1", "--out"]
    killed = subprocess.Popen(argv(*words, str(tmp_path / "out")), env=environment(tmp_path, {}), cwd=tmp_path)
    records = tmp_path / "out" / RECORDS
    wait_until(lambda: len(list(records.glob("*.json"))) >= 2, 120, "two series are done")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    wait_until(lambda: not processes_of(tmp_path), 30, "its processes are gone with it")
    left = len(list(records.glob("*.json")))
    assert left < 6, "it was done before it could be killed"
    told = call([*words, str(tmp_path / "out")], tmp_path)
    assert told.returncode == 0, told.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert 2 <= summary["cost"]["series_kept"] < 6
    whole = call([*words, str(tmp_path / "whole")], tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert scores(tmp_path / "out") == scores(tmp_path / "whole")
    assert not list((tmp_path / "whole").rglob("*.partial"))
    measures = json.loads((tmp_path / "whole" / "summary.json").read_text())["measures"]
    assert summary["measures"] == measures


def test_ctrl_c_ends_it_at_once_and_says_that_it_can_go_on(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", series=6)
    words = ["evaluate", str(folder), "--detectors", "prophet_band", "--jobs", "1", "--out", str(tmp_path / "out")]
    running = subprocess.Popen(
        argv(*words), env=environment(tmp_path, {}), cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: list((tmp_path / "out" / RECORDS).glob("*.json")), 120, "a series is done")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "the same command goes on from here" in said
    assert "Traceback" not in said
    wait_until(lambda: not processes_of(tmp_path), 30, "its processes are gone with it")


def test_what_is_done_is_done_again_when_anything_has_changed(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    assert run(folder, tmp_path / "out")["cost"]["series_kept"] == 0
    assert run(folder, tmp_path / "out")["cost"]["series_kept"] == 2
    write_series(folder, "meter-1", lines_of(77))
    assert run(folder, tmp_path / "out")["cost"]["series_kept"] == 1
    assert run(folder, tmp_path / "out", Options(CHEAP, 20.0, 1))["cost"]["series_kept"] == 0
    other = CHEAP.model_copy(update={"seed": 5})
    assert run(folder, tmp_path / "out", Options(other, 20.0, 1))["cost"]["series_kept"] == 0
    describe(folder, ["meter-0", "meter-1"], interval_s=3600, country="AU")
    assert run(folder, tmp_path / "out", Options(other, 20.0, 1))["cost"]["series_kept"] == 0
    (tmp_path / "out" / "meter-0.csv").unlink()
    (tmp_path / "out" / RECORDS / "meter-1.json").write_text("{")
    assert run(folder, tmp_path / "out", Options(other, 20.0, 1))["cost"]["series_kept"] == 0


def test_other_code_makes_another_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cli.evaluation import series
    from cli.evaluation.dataset import read_dataset

    folder = make_set(tmp_path / "set", series=1)
    run(folder, tmp_path / "out")
    task = SeriesTask(read_dataset(folder), "meter-0", tmp_path / "out", CHEAP, 10.0)
    assert finished(task) is not None
    monkeypatch.setattr(series, "_code_digest", lambda: "other")
    assert finished(task) is None


def test_progress_is_shown_in_lines_where_nothing_can_be_drawn(tmp_path: Path) -> None:
    shown: list[Progress] = []
    evaluate(make_set(tmp_path / "set"), tmp_path / "out", OPTIONS, shown.append)
    assert shown[-1] == Progress(2, 2, 2 * (ROWS - HISTORY), 0.0)
    assert [p.series for p in shown] == sorted(p.series for p in shown)


def test_the_time_left_follows_from_the_rows_that_are_done() -> None:
    tally = Tally(all_series=5, kept=1)
    assert tally.progress(3.0).left_s is None
    tally.add(Rows(begun=1000, judged=0))
    tally.add(Rows(begun=0, judged=500))
    # Four series of 1,000 rows are to be done, 500 rows took ten seconds: 3,500 are left.
    assert tally.progress(10.0) == Progress(1, 5, 500, 70.0)
    tally.add(Rows(begun=3000, judged=0))
    assert tally.progress(10.0).left_s == pytest.approx(10 * (8000 - 500) / 500)


def test_gzip_says_the_same_as_plain_text(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", series=1)
    run(folder, tmp_path / "a")
    packed = folder / "meter-0.csv.gz"
    (folder / "meter-0.csv").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    run(folder, tmp_path / "b")
    assert scores(tmp_path / "a") == scores(tmp_path / "b")
