"""A cabinet's readings compared with those of the labelled cabinets that detectors are measured on."""

import csv
import gzip
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from simulators.noise import FloatArray
from simulators.streetlights import Scale
from tests.paths import SHARED
from tests.simulators.streetlights.parts import day_of, lights

_CABINETS = SHARED / "datasets" / "lighting-dev"
_METRICS = ("active_power", "voltage", "current", "power_factor")
_DAYS, _STEPS = 45, 96
_SCALE = Scale(feeders=1, cabinets_per_feeder=12, cables_per_cabinet=3, lamps_per_cable=12)

Table = dict[str, FloatArray]


def _theirs(path: Path) -> tuple[int, Table]:
    """Return the first day of a cabinet and what it shows from then on; NaN where a fault is labelled."""
    with gzip.open(path, "rt") as lines:
        rows = list(csv.DictReader(lines))[: _DAYS * _STEPS]
    sound = np.array([row["label"] == "0" for row in rows])
    table = {metric: np.array([float(row[metric] or "nan") for row in rows]) for metric in _METRICS}
    first = datetime.fromisoformat(rows[0]["time"])
    return day_of(first.year, first.month, first.day), {
        metric: np.where(sound, values, np.nan) for metric, values in table.items()
    }


def _ours(number: int, first_day: int) -> Table:
    """Return what our cabinet of some number shows on the same days."""
    city = lights(_SCALE)
    row_of = {(each.asset, each.metric): row for row, each in enumerate(city.series)}
    rows = [row_of[f"cabinet-{number + 1:04d}", metric] for metric in _METRICS]
    values = np.concatenate([city.values(first_day + day)[rows] for day in range(_DAYS)], axis=1)
    return dict(zip(_METRICS, values, strict=True))


def _figures(table: Table) -> dict[str, float]:
    """Return what describes a cabinet: noise and rhythm of each metric, on and off apart."""
    power, voltage, factor = table["active_power"], table["voltage"], table["power_factor"]
    full = np.nanpercentile(power, 95)
    on, off = power > 0.3 * full, power < 0.05 * full
    # Where the two steps before and after are as bright, neither switching nor dimming is near.
    level = np.stack([np.roll(power, shift) for shift in range(-2, 3)])
    steady = on & (np.ptp(level, axis=0) < 0.03 * np.mean(level, axis=0))
    rest = np.where(steady, power / np.mean(level, axis=0) - 1.0, np.nan)
    pairs = ~np.isnan(rest[1:] * rest[:-1])
    slots = voltage.reshape(-1, _STEPS)
    return {
        "on-level noise, relative": float(np.nanstd(rest) / np.sqrt(0.8)),
        "its lag-1 correlation": float(np.corrcoef(rest[1:][pairs], rest[:-1][pairs])[0, 1]),
        "off ÷ on power": float(np.nanmedian(power[off]) / full),
        "burning, h a day": float(on.sum() / np.isfinite(power).sum() * 24),
        "steps of part power a day": float((~on & ~off & ~np.isnan(power)).sum() / _DAYS),
        "voltage std, V": float(np.nanstd(voltage)),
        "voltage std about its slot, V": float(np.nanstd(slots - np.nanmean(slots, axis=0))),
        "voltage on less off, V": float(np.nanmean(voltage[on]) - np.nanmean(voltage[off])),
        "power factor on": float(np.nanmedian(factor[on])),
        "power factor off": float(np.nanmedian(factor[off])),
        "power factor noise": float(np.nanstd(factor[off])),
    }


def _spread(tables: list[Table]) -> dict[str, tuple[float, float, float]]:
    """Return median, least and most of each figure over some cabinets."""
    found = [_figures(table) for table in tables]
    columns = {name: np.array([each[name] for each in found]) for name in found[0]}
    return {name: (float(np.median(all_)), float(all_.min()), float(all_.max())) for name, all_ in columns.items()}


_WITHIN: dict[str, float] = {
    "on-level noise, relative": 0.003,
    "its lag-1 correlation": 0.25,
    "off ÷ on power": 0.012,
    "burning, h a day": 4.0,
    "steps of part power a day": 1.0,
    "voltage std, V": 0.6,
    "voltage std about its slot, V": 0.25,
    "voltage on less off, V": 0.8,
    "power factor on": 0.02,
    "power factor off": 0.01,
    "power factor noise": 0.01,
}
"""By how much the medians may differ."""


def test_a_cabinet_behaves_like_those_of_the_labelled_data() -> None:
    if not _CABINETS.is_dir():
        pytest.skip(f"{_CABINETS} is not on this machine")
    pairs = [_theirs(path) for path in sorted(_CABINETS.glob("*.csv.gz"))]
    theirs = _spread([table for _, table in pairs])
    ours = _spread([_ours(number, day) for number, (day, _) in enumerate(pairs)])
    table = [
        f"{name:32} ours {ours[name][0]:8.4f} {ours[name][1]:8.4f} {ours[name][2]:8.4f}"
        f"   theirs {theirs[name][0]:8.4f} {theirs[name][1]:8.4f} {theirs[name][2]:8.4f}"
        for name in _WITHIN
    ]
    far = {name for name, most in _WITHIN.items() if abs(ours[name][0] - theirs[name][0]) > most}
    assert not far, "\n".join(["median, least, most over the cabinets", *table])
