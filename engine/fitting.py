"""Fits models outside the loop: local processes, or a Dask cluster, through the same calls."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from dask.base import compute
from dask.delayed import delayed
from threadpoolctl import threadpool_limits

from core.errors import SettingsError
from engine.asset_model import AssetModel, FitTask, fit_asset

FitOutcome = AssetModel | str
"""A model, or why there is none."""


def _fit_or_reason(task: FitTask) -> FitOutcome:
    # One asset's odd history must not cost the others their models; the reason is logged by the caller.
    try:
        # Each process is one of many: threads of its own for small matrices make a fit ten times slower.
        with threadpool_limits(1):
            return fit_asset(task)
    except Exception as exc:  # noqa: BLE001 - Prophet, Stan and PyOD raise anything
        return f"{type(exc).__name__}: {exc}"


class Fitter:
    """Fits many models at once, in the background if wished.

    Parameters
    ----------
    where
        `dask.compute`'s keyword arguments: where to compute.
    thread
        Waits for background fits.
    """

    def __init__(self, where: dict[str, Any], thread: ThreadPoolExecutor) -> None:
        self._where = where
        self._thread = thread

    def fit(self, tasks: Sequence[FitTask]) -> list[FitOutcome]:
        """Fit and wait; outcomes in the order of the tasks."""
        work = [delayed(_fit_or_reason, pure=False)(delayed(task)) for task in tasks]
        return list(compute(*work, **self._where))

    def fit_later(self, tasks: Sequence[FitTask]) -> Future[list[FitOutcome]]:
        """Fit in the background."""
        return self._thread.submit(self.fit, tasks)


@contextmanager
def open_fitter(workers: int, scheduler: str | None) -> Iterator[Fitter]:
    """Start what fits models, and end it afterwards.

    Parameters
    ----------
    workers
        Local processes; 0 means one per core. Not used with a cluster.
    scheduler
        Address of a Dask scheduler; None means local processes.

    Raises
    ------
    SettingsError
        If a cluster is wanted and the `cluster` extra is not installed.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="fit") as thread:
        if scheduler is not None:
            try:
                from distributed import Client
            except ImportError as exc:
                raise SettingsError("CITYVIGIL_DASK_SCHEDULER needs the extra: install cityvigil[cluster]") from exc
            with Client(scheduler) as client:
                yield Fitter({"scheduler": client}, thread)
            return
        # Spawned, not forked: the parent has threads and a database connection.
        count = workers or os.cpu_count() or 1
        pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
        try:
            yield Fitter({"scheduler": "processes", "pool": pool}, thread)
        finally:
            # What has not begun is given up: who stops the service does not wait for a city's models.
            pool.shutdown(cancel_futures=True)
