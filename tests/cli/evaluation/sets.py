"""Small labelled sets, made up."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

BEGIN = datetime(2026, 2, 2, tzinfo=UTC)
STEP = timedelta(hours=1)
HISTORY = 28 * 24
ROWS = HISTORY + 7 * 24
FAULT = range(HISTORY + 60, HISTORY + 72)
"""Rows of the one labelled event."""

DESCRIPTION: Mapping[str, Any] = {
    "name": "made-up",
    "domain": "water",
    "interval_s": 3600,
    "unit": {"flow": "m3/h"},
    "grouped": False,
    "local_clock": False,
    "time_zone": "Europe/Bucharest",
    "country": "RO",
    "peers": {"nobody": {"auc": 0.5}},
}


def stamp(row: int) -> str:
    return (BEGIN + row * STEP).strftime("%Y-%m-%dT%H:%M:%SZ")


def lines_of(seed: int, rows: int = ROWS, signals: Sequence[str] = ("flow",)) -> list[str]:
    """Return a header and one line per row: a daily rhythm with noise, and one event in which it is far off."""
    noise = np.random.default_rng(seed).normal(0.0, 0.3, (rows, len(signals)))
    found = [f"time,{','.join(signals)},label"]
    for row in range(rows):
        inside = row in FAULT
        values = 20 + 5 * np.sin(2 * np.pi * row / 24) + noise[row] + 15 * inside
        found.append(f"{stamp(row)},{','.join(f'{value:.3f}' for value in values)},{int(inside)}")
    return found


def write_series(folder: Path, name: str, lines: Sequence[str]) -> Path:
    path = folder / f"{name}.csv.gz"
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))
    return path


def describe(folder: Path, series: Sequence[str], **changes: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    until = {name: stamp(HISTORY - 1) for name in series}
    (folder / "dataset.json").write_text(json.dumps({**DESCRIPTION, "train_until": until, **changes}))


def make_set(folder: Path, series: int = 2, signals: Sequence[str] = ("flow",), **changes: Any) -> Path:
    """Write a set of some series."""
    names = [f"meter-{number}" for number in range(series)]
    describe(folder, names, **changes)
    for number, name in enumerate(names):
        write_series(folder, name, lines_of(number, signals=signals))
    return folder
