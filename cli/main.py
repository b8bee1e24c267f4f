"""The `cityvigil` command line."""

import json
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.context import database, load_settings, stop_on_signal
from core.clock import Clock
from core.errors import CityVigilError
from core.logging import Action, log_of
from core.settings import Settings, clock_of

if TYPE_CHECKING:
    from simulators.fault import FaultKind

app = typer.Typer(
    help="Watches a city's infrastructure: MQTT in, explained incidents out. Settings come from CITYVIGIL_* variables.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
dashboards_app = typer.Typer(help="Grafana dashboards.", no_args_is_help=True)
app.add_typer(dashboards_app, name="dashboards")

_Speed = Annotated[float, typer.Option(min=0.01, help="Simulated seconds per second.")]


def _serve(name: str, run: Callable[[Settings, str, Clock, threading.Event], None]) -> None:
    """Run a service until it is told to stop; what ends it otherwise is in its log."""
    settings = load_settings()
    try:
        with stop_on_signal() as stop, database(settings) as url:
            run(settings, url, clock_of(settings.clock), stop)
    except CityVigilError as exc:
        log_of(name).error(str(exc), Action.SERVICE_FAILED)
        raise typer.Exit(1) from None


@app.command()
def migrate() -> None:
    """Bring the database's schema to this version."""
    from store.database import connect
    from store.migrate import migrate as apply

    settings = load_settings()
    with database(settings) as url, connect(url, "migrate") as connection:
        applied = apply(connection)
    for migration in applied:
        log_of("migrate").info(f"applied migration {migration.number} {migration.name}", Action.MIGRATED)
    if not applied:
        log_of("migrate").info("the schema is up to date", Action.MIGRATED)


@app.command()
def ingest() -> None:
    """Take messages from the MQTT broker into the store."""
    from ingest.service import run

    _serve("ingest", run)


@app.command()
def engine() -> None:
    """Judge what has been stored."""
    from engine.service import run

    _serve("engine", run)


@app.command()
def alerts() -> None:
    """Turn anomalies into incidents, and incidents into messages."""
    from alerts.service import run

    _serve("alerts", run)


@app.command()
def api() -> None:
    """Serve the REST API, the metrics and the page."""
    from api.service import run

    _serve("api", run)


@app.command()
def up() -> None:
    """Run everything on this machine: the services, and database and broker unless they are set."""
    from cli.up import run

    settings = load_settings(join=False)
    with stop_on_signal() as stop:
        run(settings, Console(), stop)


@app.command()
def status(*, as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False) -> None:
    """Show accounts, lag and model ages."""
    from cli.status import as_json as to_json
    from cli.status import gather, show

    settings = load_settings()
    with database(settings) as url:
        found = gather(url, clock_of(settings.clock))
    if as_json:
        sys.stdout.write(to_json(found) + "\n")
    else:
        show(found, Console())


@app.command()
def settings() -> None:
    """List every setting with its default and meaning, as Markdown."""
    from cli.settings_table import as_markdown

    sys.stdout.write(as_markdown())


@app.command()
def decode(
    *,
    check_window: Annotated[bool, typer.Option(help="Refuse times outside the feed's window.")] = False,
) -> None:
    """Decode messages: JSON lines in (topic, payload_b64, received_at, retained), JSON lines out."""
    from cli.decode import Window, decode_lines

    settings = load_settings()
    limits = settings.ingest
    window = Window(timedelta(days=limits.window_back_days), timedelta(seconds=limits.window_ahead_s))
    lines = decode_lines(
        sys.stdin.buffer, clock_of(settings.clock), limits.max_payload_bytes, window if check_window else None
    )
    for line in lines:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()


@app.command()
def simulate(
    city: Annotated[str, typer.Option(help="Which simulated city.")] = "tiny",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same city.")] = 2026,
    start: Annotated[str, typer.Option(help="Event time to begin at, RFC 3339; default: now.")] = "",
    minutes: Annotated[float, typer.Option(min=0.0, help="Simulated minutes; 0 means without end.")] = 0.0,
    faults: Annotated[Path | None, typer.Option(help="File of labelled faults, followed while it runs.")] = None,
    scenario: Annotated[str, typer.Option(help="Story to tell: a name of the gallery, or a YAML file.")] = "",
) -> None:
    """Publish a simulated city to the MQTT broker, at the pace of the clock."""
    from cli.simulate import LABELS, city_of
    from cli.simulate import simulate as publish
    from simulators.scenario import read_scenario

    story = read_scenario(scenario) if scenario else None
    city = story.city if story else city
    settings = load_settings()
    clock = clock_of(settings.clock)
    begin = _time_of(start) if start else clock.now()
    end = begin + timedelta(minutes=minutes) if minutes > 0 else None
    labels = faults or settings.data_dir / LABELS
    with stop_on_signal() as stop:
        publish(settings, city_of(settings, city, seed), begin, labels, clock, stop, end, story)


@app.command()
def scenarios() -> None:
    """List the stories that a simulation can tell."""
    from simulators.scenario import gallery, read_scenario

    for name in gallery():
        story = read_scenario(name)
        sys.stdout.write(f"{name}: {story.title} (city {story.city}, {story.days:g} days)\n  {story.text}\n")


@app.command()
def inject(
    kind: Annotated[str, typer.Argument(help="burst, background_leak, pressure_stuck, lamp_out, day_burner, …")],
    asset: Annotated[str, typer.Argument(help="Name of the asset.")],
    minutes: Annotated[float, typer.Option(min=1.0, help="Simulated minutes that it lasts.")] = 60.0,
    city: Annotated[str, typer.Option(help="Which simulated city.")] = "tiny",
    seed: Annotated[int, typer.Option(min=0, help="As the running simulation's.")] = 2026,
) -> None:
    """Break something in the simulated city that is running."""
    from cli.simulate import LABELS, city_of
    from cli.simulate import inject as break_it

    wanted = _fault_kind(kind)
    settings = load_settings()
    now = clock_of(settings.clock).now()
    labels = settings.data_dir / LABELS
    fault = break_it(settings, city_of(settings, city, seed), labels, wanted, asset, timedelta(minutes=minutes), now)
    sys.stdout.write(fault.to_json() + "\n")


@app.command()
def record(
    topics: Annotated[list[str], typer.Argument(metavar="TOPIC", help="MQTT topic filters to subscribe to.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; made if need be.")],
    prefix: Annotated[str, typer.Option(help="Begins each file's name; letters, digits, dots, dashes.")] = "feed",
    qos: Annotated[int, typer.Option(min=0, max=1, help="Quality of service to ask for.")] = 0,
    minutes: Annotated[float, typer.Option(min=0.0, help="Minutes to record; 0 means until Ctrl-C.")] = 0.0,
    max_size_mb: Annotated[float, typer.Option(min=0.001, help="Go on in another file at this size.")] = 100.0,
    max_age_min: Annotated[float, typer.Option(min=0.001, help="Go on in another file at this age.")] = 60.0,
    max_files: Annotated[int, typer.Option(min=0, help="Keep so many of the newest files; 0 keeps all.")] = 0,
    flush_s: Annotated[float, typer.Option(min=0.05, help="Seconds of the feed that a kill may cost.")] = 5.0,
) -> None:
    """Record what a broker delivers into compressed files, which `cityvigil replay` reads."""
    from cli.record import record as keep
    from cli.record import rules_of, wanted_of

    settings = load_settings()
    try:
        rules = rules_of(out, prefix, max_size_mb, max_age_min, max_files, flush_s)
        wanted = wanted_of(settings, topics, qos)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from None
    with stop_on_signal() as stop:
        recorded = keep(settings, wanted, rules, clock_of(settings.clock), stop, minutes)
    Console().print(recorded.sentence(), soft_wrap=True, highlight=False)


@app.command()
def replay(
    files: Annotated[
        list[Path],
        typer.Argument(help="Recordings, or lines of: receive time, topic, payload.", exists=True, dir_okay=False),
    ],
    speed: Annotated[str, typer.Option(help="Recorded seconds per second, or max.")] = "1",
    topics: Annotated[list[str] | None, typer.Option(help="Only topics that match this filter; repeatable.")] = None,
    begin: Annotated[str, typer.Option("--from", help="Only arrivals from here on, RFC 3339.")] = "",
    until: Annotated[str, typer.Option(help="Only arrivals before, RFC 3339.")] = "",
    shift: Annotated[
        str, typer.Option(help="none: as recorded. now: stated arrivals begin now; times inside payloads stay.")
    ] = "none",
    payload_times: Annotated[
        bool, typer.Option("--payload-times", help="With --shift now: move times inside HFP and City Vigil JSON, too.")
    ] = False,
    loop: Annotated[int, typer.Option(min=0, help="Passes, 0 without end; shifted ones follow each other.")] = 1,
    qos: Annotated[int, typer.Option(min=0, max=1, help="1 has each message acknowledged; 0 is faster.")] = 1,
    keep_retained: Annotated[
        bool, typer.Option("--keep-retained", help="Publish as retained what had come from the broker's memory.")
    ] = False,
    skip_retained: Annotated[
        bool, typer.Option("--skip-retained", help="Leave out what had come from the broker's memory.")
    ] = False,
    fault: Annotated[Path | None, typer.Option(help="File of faults to put in, one per line as JSON.")] = None,
    labels: Annotated[Path | None, typer.Option(help="File to append the faults to that took effect.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same chances in the faults.")] = 2026,
) -> None:
    """Replay recorded messages: to the broker that is set or running, else through a City Vigil started for it."""
    from cli.replay import plan_of, replay_and_tell

    settings = load_settings()
    try:
        plan = plan_of(
            files,
            speed=speed,
            topics=topics or (),
            start=_time_of(begin) if begin else None,
            end=_time_of(until) if until else None,
            shift=shift,
            payload_times=payload_times,
            loop=loop,
            qos=qos,
            keep_retained=keep_retained,
            skip_retained=skip_retained,
            faults=fault,
            labels=labels,
            seed=seed,
        )
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from None
    with stop_on_signal() as stop:
        replay_and_tell(settings, plan, stop, Console())


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Labelled set: dataset.json and its series.")],
    out: Annotated[Path, typer.Option(help="Folder for scores and summary; a killed run goes on where it stopped.")],
    detectors: Annotated[str, typer.Option(help="Names, with commas; default: those that run live.")] = "",
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 means one per core.")] = 0,
    budget: Annotated[float, typer.Option(min=0.0, help="False alerts per 1,000 series per week; 0: as set.")] = 0.0,
) -> None:
    """Judge labelled rows in order of time, as they would be live, and say how well that went."""
    from cli.evaluation.report import evaluate_and_tell

    evaluate_and_tell(load_settings(join=False), folder, out, detectors, jobs, budget, Console(stderr=True))


@dashboards_app.command("build")
def build_dashboards(out: Annotated[Path, typer.Option(help="Folder to write to; made if need be.")]) -> None:
    """Write one JSON file per dashboard."""
    from dashboards.build import write

    for path in write(out):
        sys.stdout.write(f"{path}\n")


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Leave after the first fault, with a JSON summary.")] = False,
    city: Annotated[str, typer.Option(help="Which simulated city.")] = "tiny",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same city.")] = 2026,
    speed: _Speed = 60.0,
    fault: Annotated[str, typer.Option(help="What breaks first.")] = "burst",
    asset: Annotated[str, typer.Option(help="Where it breaks.")] = "dma-1",
    start: Annotated[str, typer.Option(help="Event time to begin at, RFC 3339; default: a fixed evening.")] = "",
) -> None:
    """Watch a simulated city on this machine, and find a fault in it."""
    from cli.demo import DEFAULT_START, DemoOptions, run

    settings = load_settings(join=False)
    begin = _time_of(start) if start else DEFAULT_START
    options = DemoOptions(once, city, seed, speed, _fault_kind(fault), asset, begin)
    with stop_on_signal() as stop:
        summary = run(settings, options, Console(soft_wrap=True), stop)
    if once:
        sys.stdout.write(json.dumps(summary) + "\n")
        if not summary:
            raise typer.Exit(130)


def _time_of(text: str) -> datetime:
    """Return a time given on the command line, in UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is no RFC 3339 time, such as 2026-09-16T17:00:00Z") from None
    if time.utcoffset() is None:
        raise typer.BadParameter(f"'{text}' needs an offset from UTC, such as Z or +03:00")
    return time.astimezone(UTC)


def _fault_kind(text: str) -> "FaultKind":
    from simulators.fault import FaultKind

    try:
        return FaultKind(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is none of: {', '.join(kind.value for kind in FaultKind)}") from None


def main() -> None:
    """Run the command line; an error of ours ends it with one plain sentence."""
    try:
        app()
    except CityVigilError as exc:
        sys.stderr.write(f"cityvigil: {exc}\n")
        sys.exit(1)
    except OSError as exc:
        sys.stderr.write(f"cityvigil: {exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
