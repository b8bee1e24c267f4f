"""Made-up sets, judged rows and outcomes."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.scorecard import running
from benchmarks.scorecard.labelled import LabelledSet
from benchmarks.scorecard.outcome import Cost, Outcome, SeriesFound, Summary
from benchmarks.scorecard.spans import JudgedRows

STEP = pd.Timedelta(minutes=15)
BEGIN = pd.Timestamp("2026-03-02")

_STAND_IN = """#!{python}
import os, pathlib, sys

def finish():
    out = pathlib.Path(sys.argv[4])
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").write_text({summary!r})

{body}
"""
_SUMMARY = {
    "detectors": ["flat_line"],
    "budget": 10.0,
    "measures": {"auc": 0.9, "ap": None},
    "series": {},
    "cost": {
        "rows": 1, "fits": 1, "fit_s": 1.0, "judge_s": 1.0, "model_bytes": 1, "peak_mb": 1.0, "series_kept": 0,
    },
}  # fmt: skip


def labelled(folder: Path = Path("town"), **changed: Any) -> LabelledSet:
    said: dict[str, Any] = {
        "domain": "water",
        "origin": "made up",
        "licence": "own",
        "note": "",
        "units": {},
        "interval_s": 900.0,
        "grouped": True,
        "local_clock": False,
        "series": 1,
        "points": 100,
        "labelled_points": 10,
        "others": {},
    }
    return LabelledSet(folder=folder, **(said | changed))


def judged(
    labels: str,
    alarms: str,
    scores: Sequence[float] | None = None,
    series: str = "pump",
    first: int = 0,
    **changed: Any,
) -> JudgedRows:
    """Return rows with labels and alarms written as `0011`."""
    flags = [np.array([digit == "1" for digit in text], dtype=np.bool_) for text in (labels, alarms)]
    rows = len(labels)
    said: dict[str, Any] = {
        "labelled": labelled(),
        "times": pd.date_range(BEGIN, periods=rows, freq=STEP).to_numpy().astype("datetime64[us]"),
        "metrics": ("flow",),
        "values": np.arange(rows, dtype=np.float64)[:, np.newaxis],
        "alarms_near": 4.0,
    }
    its_scores = np.asarray(scores if scores is not None else np.where(flags[1], 9.0, 1.0), dtype=np.float64)
    return JudgedRows(series=series, labels=flags[0], scores=its_scores, alarms=flags[1], first=first, **said | changed)


def outcome(
    detector: str,
    measures: Mapping[str, float | None],
    set_name: str = "town",
    seconds: float = 2.0,
    series: Mapping[str, SeriesFound] | None = None,
    **cost: float,
) -> Outcome:
    took: dict[str, Any] = {
        "rows": 1000, "fits": 4, "fit_s": 1.0, "judge_s": 1.0, "model_bytes": 2000, "peak_mb": 100.0, "series_kept": 0,
    }  # fmt: skip
    found = dict(series or {"pump": SeriesFound({"judged_share": 1.0})})
    return Outcome(set_name, detector, seconds, Summary([detector], 10.0, dict(measures), Cost(**took | cost), found))


def write_set(folder: Path, **changed: Any) -> None:
    """Write six days of one signal with a daily rhythm, the last with a stretch in which it stands still."""
    rows = 6 * 96
    rng = np.random.default_rng(5)
    flow = 10.0 + 3.0 * np.sin(np.arange(rows) * 2 * np.pi / 96) + rng.normal(0.0, 0.2, rows)
    label = np.zeros(rows, dtype=np.int64)
    label[5 * 96 + 20 : 5 * 96 + 60] = 1
    flow[label == 1] = flow[5 * 96 + 19]
    frame = pd.DataFrame({"time": pd.date_range(BEGIN, periods=rows, freq=STEP), "flow": flow.round(3), "label": label})
    frame["time"] = frame["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    folder.mkdir(parents=True)
    frame.to_csv(folder / "pump.csv.gz", index=False)
    said = {
        "name": folder.name,
        "domain": "water",
        "interval_s": 900,
        "unit": {"flow": "m3/h"},
        "grouped": True,
        "origin": "made up",
        "licence": "own",
        "train_until": {"pump": (BEGIN + pd.Timedelta(days=4)).strftime("%Y-%m-%dT%H:%M:%SZ")},
        "peers": {"a rival": {"vus_pr": 0.123}},
        "series": 1,
        "points": rows,
        "labelled_points": int(label.sum()),
    }
    (folder / "dataset.json").write_text(json.dumps(said | changed), "utf-8")


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a program of ours in the place of the command; `finish()` in its body writes a summary."""
    program = tmp_path / "cityvigil"
    program.write_text(_STAND_IN.format(python=sys.executable, summary=json.dumps(_SUMMARY), body=body), "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(running, "command", lambda: program)
