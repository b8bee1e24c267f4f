"""`cityvigil simulate` and `cityvigil inject`: a simulated city that publishes, and faults on demand."""

import threading
from datetime import datetime, timedelta
from pathlib import Path

from cli.labels import store_labels_if_reachable
from cli.replay import publisher_of
from core.clock import Clock
from core.logging import Action, log_of
from core.settings import Settings
from simulators.city import City, build_city
from simulators.fault import Fault, FaultKind
from simulators.faults import FaultTail, append_fault, check_fault, read_faults
from simulators.live import LiveCity, follow
from simulators.publish import play
from simulators.scenario import Scenario

LABELS = "faults.jsonl"
"""Name of the file, in the data folder, that holds the faults of a running simulation: schedule and record at once."""

_NOTICE = timedelta(seconds=60)
"""A fault on demand starts so much later, because the city's next half minute is made already."""


def simulate(
    settings: Settings,
    city: City,
    start: datetime,
    labels: Path,
    clock: Clock,
    stop: threading.Event,
    end: datetime | None = None,
    scenario: Scenario | None = None,
) -> int:
    """Publish a city's messages as the clock reaches them, and return how many there were.

    Parameters
    ----------
    start, end
        Event times; what is due before the clock's now is published at once. None means without end.
    labels
        File of faults; those that are appended while it runs are taken up.
    scenario
        Story whose faults are added to the file, told from `start` on; None for none.
    """
    for fault in () if scenario is None else scenario.faults(city, start):
        append_fault(labels, fault)
    known = read_faults(labels) if labels.exists() else ()
    live = LiveCity(city, known)
    store_labels_if_reachable(settings, city, known)
    log_of("simulate").info(f"{city.name} publishes from {start.isoformat()}", Action.SERVICE_STARTED)
    with publisher_of(settings) as publisher:
        messages = follow(live, start, FaultTail(labels, len(known)), end=end)
        published = play(messages, publisher.publish, clock, stop)
        publisher.wait_all()
    return published


def inject(
    settings: Settings, city: City, labels: Path, kind: FaultKind, asset: str, lasts: timedelta, now: datetime
) -> Fault:
    """Break something in a running simulation and return the fault, which is its label as well.

    Raises
    ------
    FaultError
        If the asset does not exist or cannot break in that way.
    """
    start = (now + _NOTICE).replace(microsecond=0)
    fault = Fault(kind, asset, start, start + lasts)
    check_fault(city, fault)
    append_fault(labels, fault)
    store_labels_if_reachable(settings, city, [fault])
    log_of("simulate").info(
        f"{kind.value} at {asset} from {start.isoformat()}", Action.FAULT_INJECTED, asset=asset, kind=kind.value
    )
    return fault


def city_of(settings: Settings, name: str, seed: int) -> City:
    """Build a simulated city that lives by the settings' calendar."""
    return build_city(name, seed=seed, time_zone=settings.time_zone, country=settings.country)
