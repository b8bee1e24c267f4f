"""`cityvigil demo`: a simulated city, watched from the first back-filled day to the first explained fault."""

import os
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.backfill import backfill
from cli.running import announced
from cli.simulate import LABELS, city_of
from cli.stack import SERVICES, Stack, free_port, open_stack
from cli.status import closes
from cli.supervise import Supervisor
from core.errors import PermanentError
from core.settings import PREFIX, Settings, clock_of, read_settings
from engine.loop import CONSUMER as ENGINE
from ingest.reservation import reserve_session
from simulators.city import City
from simulators.fault import Fault, FaultKind
from simulators.faults import append_fault, check_fault, default_schedule
from store.accounts import feed_accounts
from store.arrivals import read_cursor
from store.database import Connection, connect
from store.incidents import IncidentRow, incidents
from store.judgements import anomalies_of_asset
from store.migrate import migrate
from store.registry import find_assets
from store.scratch import fresh_database

DEFAULT_START = datetime(2026, 9, 16, 17, 0, tzinfo=UTC)
"""An evening on which lamps burn, buses are full and no one is on holiday. Fixed, so that each run shows the same."""

_HISTORY = timedelta(days=14)
_CALM = timedelta(minutes=6)
"""Simulated time from the engine's start to the first fault."""
_DAY = timedelta(hours=24)
_LOOK_S = 0.5
_STOP_S = 5.0
"""What is not stopped by then is killed: nothing of a demonstration is worth a longer wait."""
_MOST_INCIDENTS = 1_000
_FIRST_FAULT_LASTS = timedelta(hours=3)


class FaultNotFoundError(PermanentError):
    """The injected fault was not found in time."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How the demo is to run.

    Attributes
    ----------
    once
        Leave after the first injected fault has been found and explained.
    city, seed
        Which simulated city.
    speed
        Simulated seconds per second.
    fault, asset
        What breaks first, and where.
    start
        Event time at which the live part begins, in UTC.
    patience_s
        Real seconds within which the first fault must be found.
    """

    once: bool
    city: str
    seed: int
    speed: float
    fault: FaultKind
    asset: str
    start: datetime = DEFAULT_START
    patience_s: float = 100.0


def run(settings: Settings, options: DemoOptions, console: Console, stop: threading.Event) -> dict[str, Any]:
    """Run the demo until `stop` is set, or until the first fault is found if that is all that is wanted.

    Returns
    -------
    What was found, as the last line of `demo --once` has it; empty if it was stopped before.

    Raises
    ------
    FaultError
        If the first fault does not fit the city.
    FaultNotFoundError
        If the first fault is not found in time.
    ChildEndedError
        If a service ends by itself.
    """
    began_at = time.monotonic()
    city = city_of(settings, options.city, options.seed)
    check_fault(city, _first_fault(options, options.start))
    _forget_outside()
    with ExitStack() as opened:
        stack, connection, readings = _open_store(opened, settings, options, city, console)
        settings = read_settings()
        supervisor = _start_services(opened, stack, settings, options)
        console.print(f"watching {len(city.series)} series of {len(city.assets)} assets: {settings.alerts.page_url}")
        watch = _Watch(connection, supervisor, settings, console, stop)
        if not watch.wait_for_engine():
            return {}
        fault = _break_something(city, options, settings, settings.data_dir / LABELS, console)
        found = watch.wait_for_incident(fault, options.patience_s)
        if found is None:
            return {}
        summary = _summary(watch, fault, found, readings, settings)
        summary["seconds_in_all"] = round(time.monotonic() - began_at, 1)
        if not options.once:
            console.print("more faults follow; Ctrl-C ends it")
            watch.follow_incidents()
        return summary


def _open_store(
    opened: ExitStack, settings: Settings, options: DemoOptions, city: City, console: Console
) -> tuple[Stack, Connection, int]:
    """Start database and broker, fill the one, and put how to reach both into the environment, for us and others.

    Returns
    -------
    What runs, a connection to its database, and how many readings were back-filled.
    """
    console.print("starting database and broker …")
    stack = opened.enter_context(open_stack(read_settings(), settings.data_dir / "demo"))
    stack = stack.with_database(fresh_database(stack.database_url))
    connection = opened.enter_context(connect(stack.database_url, "demo"))
    readings = _fill(connection, city, options.start, console)
    stack = _paced(stack, settings, options)
    os.environ.update(stack.environment)
    # Before others can learn of it: what they inject must not be wiped away.
    (settings.data_dir / "demo" / LABELS).write_text("", encoding="utf-8")
    opened.enter_context(announced(settings.data_dir, stack.environment))
    return stack, connection, readings


def _start_services(opened: ExitStack, stack: Stack, settings: Settings, options: DemoOptions) -> Supervisor:
    """Start every service, and the city that publishes."""
    reserve_session(settings.mqtt)
    supervisor = opened.enter_context(Supervisor(settings.data_dir / "logs", _STOP_S))
    stack.start(supervisor, *SERVICES)
    arguments = ["--city", options.city, "--seed", str(options.seed), "--start", options.start.isoformat()]
    stack.run(supervisor, "simulate", "simulate", *arguments)
    return supervisor


def _forget_outside() -> None:
    """Forget the database and the broker that are set: a made-up city has no business there."""
    for name in list(os.environ):
        if name.startswith((f"{PREFIX}DATABASE_", f"{PREFIX}MQTT__", f"{PREFIX}CLOCK__")):
            del os.environ[name]


def _fill(connection: Connection, city: City, start: datetime, console: Console) -> int:
    began_at = time.monotonic()
    migrate(connection)
    readings = backfill(connection, city, start - _HISTORY, start)
    console.print(f"back-filled {readings:,} readings of two weeks in {time.monotonic() - began_at:.1f} s")
    return readings


def _paced(stack: Stack, settings: Settings, options: DemoOptions) -> Stack:
    """Return the stack on the simulation's clock, with rounds of about a second of real time."""
    port = free_port(settings.api.host, settings.api.port)
    return stack.with_clock(options.start, datetime.now(UTC), options.speed).with_settings(
        API__PORT=port,
        ALERTS__PAGE_URL=f"http://{settings.api.host}:{port}",
        ENGINE__ROUND_S=options.speed,
        ALERTS__ROUND_S=options.speed / 2,
    )


def _break_something(city: City, options: DemoOptions, settings: Settings, labels: Path, console: Console) -> Fault:
    """Inject the first fault a little after now, and put a schedule of others behind it."""
    fault = _first_fault(options, (clock_of(settings.clock).now() + _CALM).replace(microsecond=0))
    append_fault(labels, fault)
    for later in default_schedule(city, fault.end):
        append_fault(labels, later)
    wait_s = _CALM.total_seconds() / options.speed
    console.print(f"a fault is on its way: {fault.kind.value} at {fault.asset}, in {wait_s:.0f} s")
    return fault


def _first_fault(options: DemoOptions, start: datetime) -> Fault:
    return Fault(options.fault, options.asset, start, start + _FIRST_FAULT_LASTS)


class _Watch:
    """Looks into the store, as an operator would look at the page."""

    def __init__(
        self,
        connection: Connection,
        supervisor: Supervisor,
        settings: Settings,
        console: Console,
        stop: threading.Event,
    ) -> None:
        self._connection = connection
        self._supervisor = supervisor
        self._settings = settings
        self._console = console
        self._stop = stop
        self._told: dict[int, str] = {}
        self.seconds_to_first_anomaly: float | None = None

    @property
    def connection(self) -> Connection:
        """Where to look."""
        return self._connection

    def _look(self) -> bool:
        """Wait a moment; False if the demo is to end."""
        self._supervisor.check()
        self._tell_incidents()
        return not self._stop.wait(_LOOK_S)

    def wait_for_engine(self) -> bool:
        """Wait until the engine has judged what is there; False if stopped before."""
        self._console.print("learning what is normal …")
        began_at = time.monotonic()
        while read_cursor(self._connection, ENGINE) is None:
            if not self._look():
                return False
        self._console.print(f"models fitted and the last day judged in {time.monotonic() - began_at:.1f} s")
        return True

    def wait_for_incident(self, fault: Fault, patience_s: float) -> IncidentRow | None:
        """Wait until the fault's asset has an incident; None if stopped before."""
        clock = clock_of(self._settings.clock)
        asset_id = find_assets(self._connection, [fault.asset])[fault.asset]
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            now = clock.now()
            if now >= fault.start and self.seconds_to_first_anomaly is None:
                fresh = [
                    a for a in anomalies_of_asset(self._connection, asset_id, fault.start) if not a.anomaly.retracted
                ]
                if fresh:
                    self.seconds_to_first_anomaly = round(clock.to_wall_s((now - fault.start).total_seconds()), 1)
            found = [i for i in self._incidents() if i.asset_id == asset_id and i.updated_at >= fault.start]
            if found and self.seconds_to_first_anomaly is not None:
                return found[0]
            if not self._look():
                return None
        raise FaultNotFoundError(f"{fault.kind.value} at {fault.asset} was not found within {patience_s:.0f} s")

    def follow_incidents(self) -> None:
        """Tell incidents until stopped."""
        while self._look():
            pass

    def incidents_before(self, fault: Fault) -> int:
        """Count the incidents that opened in the day before a fault."""
        return sum(1 for i in self._incidents() if fault.start - _DAY <= i.opened_at < fault.start)

    def _incidents(self) -> list[IncidentRow]:
        return incidents(self._connection, None, _MOST_INCIDENTS)

    def _tell_incidents(self) -> None:
        for incident in reversed(self._incidents()):
            if self._told.get(incident.incident_id) != incident.state:
                self._told[incident.incident_id] = incident.state
                self._console.print(
                    f"incident {incident.incident_id} is {incident.state}: {incident.explanation}", markup=False
                )


def _summary(watch: _Watch, fault: Fault, found: IncidentRow, backfilled: int, settings: Settings) -> dict[str, Any]:
    accounts = feed_accounts(watch.connection)
    seconds = watch.seconds_to_first_anomaly or 0.0
    return {
        "fault": {"kind": fault.kind.value, "asset": fault.asset, "start": fault.start.isoformat()},
        "incident": {
            "incident_id": found.incident_id,
            "asset": found.asset,
            "kind": found.kind,
            "severity": found.severity,
            "explanation": found.explanation,
        },
        "seconds_to_first_anomaly": seconds,
        "simulated_minutes_to_first_anomaly": round(seconds * settings.clock.speed / 60, 1),
        "incidents_before_fault": watch.incidents_before(fault),
        "counts": {
            "readings_backfilled": backfilled,
            "messages_received": sum(a.received for a in accounts),
            "readings_stored": sum(a.stored for a in accounts),
            "events_stored": sum(a.events_stored for a in accounts),
            "rejected": sum(a.rejected for a in accounts),
            "accounts_close": all(closes(a) for a in accounts),
        },
        "page": settings.alerts.page_url,
    }
