"""The demo, as a visitor sees it: from an empty folder to an explained fault."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from simulators.faults import read_faults
from tests.cli.calling import argv, call, environment
from tests.cli.processes import processes_of

SOON_S = 30.0

# Two at once on a small machine would only make each other late.
pytestmark = pytest.mark.xdist_group("demo")


@contextmanager
def demo(data_dir: Path, *arguments: str, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a demo on a free port, leading a group of its own; kill it if the test does not end it."""
    with (data_dir / "errors").open("w") as errors:
        process = subprocess.Popen(
            argv("demo", *arguments),
            env=environment(data_dir, {"API__PORT": "0", **settings}) | {"PYTHONUNBUFFERED": "1"},
            cwd=data_dir,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        output(process).close()


def output(process: "subprocess.Popen[str]") -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def read_until(process: "subprocess.Popen[str]", word: str) -> str:
    """Return the first line that holds a word."""
    for line in output(process):
        if word in line:
            return line
    raise AssertionError(f"it ended without a word of '{word}'")


def complaints(data_dir: Path) -> str:
    return (data_dir / "errors").read_text()


def test_the_first_fault_is_found_and_explained(data_dir: Path) -> None:
    # Nothing of this may be touched: nobody listens there.
    outside = {"DATABASE_URL": "postgresql://u@127.0.0.1:1/none", "MQTT__HOST": "127.0.0.1", "MQTT__PORT": "1"}
    with demo(data_dir, "--once", **outside) as process:
        read_until(process, "watching")
        second = call(["status", "--json"], data_dir)
        assert second.returncode == 0, second.stderr
        status = json.loads(second.stdout)
        assert all(feed["closes"] for feed in status["feeds"])
        *_, last = output(process).read().splitlines()
        assert process.wait(SOON_S) == 0, complaints(data_dir)
    summary = json.loads(last)
    assert summary["fault"]["asset"] == "dma-1"
    assert summary["incident"]["asset"] == summary["fault"]["asset"]
    assert summary["incident"]["kind"] == "asset"
    assert "burst" in summary["incident"]["explanation"]
    assert summary["incidents_before_fault"] <= 1
    assert summary["simulated_minutes_to_first_anomaly"] > 0
    assert summary["counts"]["accounts_close"] is True
    assert summary["counts"]["rejected"] == 0
    assert summary["counts"]["messages_received"] > 1_000
    assert summary["counts"]["readings_backfilled"] > 1_000_000
    assert "Traceback" not in complaints(data_dir)
    assert not processes_of(data_dir)


def test_ctrl_c_ends_all_of_it_soon(data_dir: Path) -> None:
    with demo(data_dir, "--once") as process:
        read_until(process, "watching")
        assert call(["inject", "lamp_out", "lamp-07"], data_dir).returncode == 0
        faults = read_faults(data_dir / "demo" / "faults.jsonl")
        assert [fault.asset for fault in faults] == ["lamp-07"]
        second = call(["demo"], data_dir)
        assert second.returncode == 1
        assert "in use by another running command" in second.stderr
        assert len(second.stderr.splitlines()) == 1
        os.killpg(process.pid, signal.SIGINT)
        assert output(process).read().splitlines()[-1] == "{}"
        assert process.wait(SOON_S) == 130
    assert "Traceback" not in complaints(data_dir)
    assert not processes_of(data_dir)


def test_ctrl_c_during_the_start_is_no_error(data_dir: Path) -> None:
    with demo(data_dir) as process:
        read_until(process, "starting database")
        os.killpg(process.pid, signal.SIGINT)
        output(process).read()
        assert process.wait(SOON_S) == 0, complaints(data_dir)
    assert "Traceback" not in complaints(data_dir)
    assert not processes_of(data_dir)
