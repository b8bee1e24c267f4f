"""What `cityvigil evaluate` shows a person while it runs and when it is done."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from cli.evaluation.progress import Progress
from cli.evaluation.run import Options, evaluate
from core.settings import Settings

_SAY_EVERY_S = 15.0
_INTERRUPTED = 130
_SHOWN = (
    "auc", "ap", "f1_best", "f1_default", "far_pct", "event_recall_half", "S", "vus_pr", "nab_standard",
    "false_alarms_per_week", "judged_share",
)  # fmt: skip


def evaluate_and_tell(
    settings: Settings, folder: Path, out: Path, detectors: str, jobs: int, budget: float, console: Console
) -> None:
    """Evaluate a set, show how far it is, and print its measures as a table.

    Parameters
    ----------
    detectors
        Names, separated by commas; empty means those of the settings.
    budget
        0 means that of the settings.
    console
        Where people read; the table of measures goes to standard output.

    Raises
    ------
    InputFileError, SettingsError
        As `evaluate`.
    """
    names = tuple(name.strip() for name in detectors.split(",") if name.strip())
    engine = settings.engine.model_copy(update={"detectors": names} if names else {})
    options = Options(engine, budget or settings.alerts.budget, jobs)
    try:
        if console.is_terminal:
            summary = _with_bar(folder, out, options, console)
        else:
            summary = evaluate(folder, out, options, _in_lines(folder.name, console))
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on from here")
        # Leaving in the ordinary way would wait for the series that are being judged.
        os._exit(_INTERRUPTED)
    _tell(msgspec.json.decode(summary.read_bytes()), summary, console)


def _with_bar(folder: Path, out: Path, options: Options, console: Console) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        shown = bar.add_task(folder.name, total=1.0, left="")

        def show(progress: Progress) -> None:
            share = progress.series / progress.all_series if progress.all_series else 1.0
            bar.update(shown, completed=share, description=_counts(folder.name, progress), left=_left(progress))

        return evaluate(folder, out, options, show)


def _in_lines(name: str, console: Console) -> Callable[[Progress], None]:
    """Return what says a line now and then, for logs and other places where nothing can be drawn over."""
    said_s = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= _SAY_EVERY_S:
            said_s = time.monotonic()
            console.print(f"{_counts(name, progress)}, {_left(progress) or 'just begun'}", highlight=False)

    return show


def _counts(name: str, progress: Progress) -> str:
    return f"{name}: {progress.series} of {progress.all_series} series done, {progress.rows:,} rows judged"


def _left(progress: Progress) -> str:
    if progress.left_s is None:
        return ""
    minutes, seconds = divmod(round(progress.left_s), 60)
    return f"about {minutes} min {seconds:02} s left" if minutes else f"about {seconds} s left"


def _tell(summary: dict[str, Any], path: Path, console: Console) -> None:
    for name, series in summary["series"].items():
        if series["out_of_order"] or series["duplicates"] or series["conflicts"]:
            console.print(
                f"{name}: {series['out_of_order']} rows out of order, {series['duplicates']} repeated, "
                f"{series['conflicts']} repeated with other values (the first counts)",
                highlight=False,
            )
    table = Table("measure", "value", title=f"detectors: {', '.join(summary['detectors'])}", title_justify="left")
    for name in _SHOWN:
        value = summary["measures"].get(name)
        table.add_row(name, "not defined" if value is None else f"{value:.3f}")
    Console(file=sys.stdout).print(table)
    console.print(f"written to {path}", highlight=False, soft_wrap=True)
