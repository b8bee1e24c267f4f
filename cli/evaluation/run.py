"""Evaluates a labelled set: all series on all cores, what is done already left alone, then the summary."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

from cli.evaluation.dataset import Dataset, read_dataset
from cli.evaluation.progress import Progress, Reports, Rows, Tally, reporting
from cli.evaluation.series import SeriesRecord, SeriesTask, evaluate_series, finished
from cli.evaluation.summary import Run, measure_series, write_summary
from core.errors import InputFileError
from core.settings import EngineSettings
from engine.plan import detectors_of


@dataclass(frozen=True, slots=True)
class Options:
    """How to evaluate.

    Attributes
    ----------
    settings
        The engine's: who judges, on how much history, with which seed.
    budget
        False alerts allowed per 1,000 series per week.
    jobs
        Processes; 0 means one per core.
    """

    settings: EngineSettings
    budget: float
    jobs: int = 0

    @property
    def processes(self) -> int:
        """How many processes that makes."""
        return self.jobs or os.cpu_count() or 1


def evaluate(folder: Path, out: Path, options: Options, show: Callable[[Progress], None]) -> Path:
    """Judge every series of a set and write scores and summary; return the summary's path.

    Raises
    ------
    InputFileError
        Naming file and line, if the set cannot be read. What was finished by then stays, and counts next time.
    SettingsError
        If a detector is wanted that there is none of.
    """
    detectors_of(options.settings)
    dataset = read_dataset(folder)
    _refuse_missing(dataset)
    out.mkdir(parents=True, exist_ok=True)
    tasks = [SeriesTask(dataset, name, out, options.settings, options.budget) for name in dataset.train_until]
    done = {task.name: record for task in tasks if (record := finished(task)) is not None}
    kept, started_s = len(done), time.monotonic()
    with _pool(options.processes) as (pool, reports):
        _evaluate_rest(pool, reports, tasks, done, show)
        run = Run(options.settings, options.budget, options.processes, time.monotonic() - started_s, kept)
        measured = list(pool.map(measure_series, tasks))
    return write_summary(out, run, [done[task.name] for task in tasks], measured)


def _refuse_missing(dataset: Dataset) -> None:
    for name in dataset.train_until:
        path = dataset.path_of(name)
        if not path.is_file():
            raise InputFileError(str(path), None, "is named in dataset.json and is not there")


def _evaluate_rest(
    pool: ProcessPoolExecutor,
    reports: Reports,
    tasks: Sequence[SeriesTask],
    done: dict[str, SeriesRecord],
    show: Callable[[Progress], None],
) -> None:
    """Evaluate the series that are not done, and add their records; the first error ends it."""
    tally = Tally(len(tasks), len(done))
    waiting = {pool.submit(_evaluate, task): task.name for task in tasks if task.name not in done}
    with reporting(tally, reports, show):
        for future in as_completed(waiting):
            done[waiting[future]] = _result(future, waiting)
            tally.finished = len(done)


def _result(future: Future[SeriesRecord], waiting: dict[Future[SeriesRecord], str]) -> SeriesRecord:
    """Return a series' record; where it failed, none is begun any more."""
    try:
        return future.result()
    except BaseException:
        for other in waiting:
            other.cancel()
        raise


_reports: Reports | None = None
"""Where a process of the pool reports to. A queue can be handed to it only when it starts."""


def _start_process(reports: Reports) -> None:
    global _reports  # noqa: PLW0603 - as said above
    _reports = reports
    # Ctrl-C reaches the whole group; it is the command's to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the command is gone, however it went: a pool's processes would wait for it for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _evaluate(task: SeriesTask) -> SeriesRecord:
    def report(rows: Rows) -> None:
        if _reports is not None:
            _reports.put(rows)

    return evaluate_series(task, report)


@contextmanager
def _pool(processes: int) -> Iterator[tuple[ProcessPoolExecutor, Reports]]:
    # Spawned, so that no process inherits the threads of a numerical library, on any system.
    context = get_context("spawn")
    reports: Reports = context.Queue()
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_start_process, initargs=(reports,))
    try:
        yield pool, reports
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()
    reports.close()
