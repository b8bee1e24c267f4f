import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from cli.main import app
from dashboards.build import dashboards
from store.database import Connection
from tests.api.seed import seed_city
from tests.cli.calling import call

FIXED = [
    "migrate",
    "ingest",
    "engine",
    "alerts",
    "api",
    "up",
    "status",
    "decode",
    "simulate",
    "inject",
    "record",
    "replay",
    "evaluate",
    "demo",
]
NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
NOBODY_LISTENS = {"MQTT__HOST": "127.0.0.1", "MQTT__PORT": "1"}


def commands() -> dict[str, typer.models.CommandInfo]:
    found = {info.callback.__name__: info for info in app.registered_commands if info.callback is not None}
    return {info.name or name: info for name, info in found.items()}


def test_the_fixed_commands_are_there() -> None:
    assert set(FIXED) <= set(commands())
    assert [group.name for group in app.registered_groups] == ["dashboards"]


def test_every_command_and_option_says_in_a_sentence_what_it_is_for(tmp_path: Path) -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    found = dict(root.commands)
    for name, group in root.commands.items():
        if isinstance(group, typer.core.TyperGroup):
            found |= {f"{name} {inner}": command for inner, command in group.commands.items()}
    for name, command in found.items():
        assert command.help, name
        assert command.help[0].isupper(), name
        assert command.help.endswith("."), name
        for option in command.params:
            assert getattr(option, "help", None), f"{name} {option.name}"


@pytest.mark.parametrize("name", ["demo", "dashboards build"])
def test_help_is_printed(name: str, tmp_path: Path) -> None:
    done = call([*name.split(), "--help"], tmp_path)
    assert done.returncode == 0
    assert "Usage:" in done.stdout
    assert done.stderr == ""


def refused(arguments: list[str], folder: Path, status: int, settings: dict[str, str] | None = None) -> str:
    """Return what a call complains of, once it is plain: no traceback, and nothing on standard output."""
    done = call(arguments, folder, settings)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"MQTT__HOTS": "x"}, "unknown setting: CITYVIGIL_MQTT__HOTS"),
        ({"MQTT__PORT": "many"}, "CITYVIGIL_MQTT__PORT"),
        ({"TIME_ZONE": "Mars/Olympus"}, "CITYVIGIL_TIME_ZONE"),
    ],
)
def test_a_wrong_setting_is_one_plain_line(settings: dict[str, str], complaint: str, tmp_path: Path) -> None:
    said = refused(["status"], tmp_path, 1, settings)
    assert said.startswith("cityvigil: ")
    assert complaint in said
    assert len(said.splitlines()) == 1


def test_a_database_that_is_away_is_one_plain_line_without_the_password(tmp_path: Path) -> None:
    said = refused(["status"], tmp_path, 1, {"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/none"})
    assert len(said.splitlines()) == 1
    assert "hunter2" not in said


def test_a_broker_that_is_away_is_one_plain_line(tmp_path: Path) -> None:
    said = call(["simulate", "--minutes", "1"], tmp_path, NOBODY_LISTENS)
    assert said.returncode == 1
    assert said.stderr.splitlines()[-1].startswith("cityvigil: no MQTT broker at 127.0.0.1:1: ")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["replay", "nofile"], "nofile"),
        (["replay", ".", "--speed", "1"], "director"),
        (["replay", "good.txt", "--speed", "0"], "'0' is neither max nor a number greater than 0"),
        (["replay", "good.txt", "--speed", "nan"], "'nan' is neither"),
        (["replay", "good.txt", "--speed", "fast"], "'fast' is neither"),
        (["inject", "nonsense", "dma-1"], "'nonsense' is none of: burst, "),
        (["demo", "--fault", "nonsense"], "'nonsense' is none of: burst, "),
        (["demo", "--speed", "0"], "--speed"),
        (["demo", "--start", "yesterday"], "'yesterday' is no RFC 3339 time"),
        (["simulate", "--start", "2026-03-14T12:00:00"], "needs an offset from UTC"),
        (["simulate", "--minutes", "-3"], "--minutes"),
        (["nonsense"], "nonsense"),
    ],
)
def test_a_bad_argument_is_refused_with_a_reason(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text('2026-03-14T12:00:00Z a {"x":1}\n')
    assert complaint in refused(arguments, tmp_path, 2)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["inject", "burst", "dma-9"], "there is no asset 'dma-9' in the city"),
        (["inject", "burst", "lamp-07"], "burst is a fault of a dma; lamp-07 is a lamp"),
        (["demo", "--asset", "dma-9"], "there is no asset 'dma-9' in the city"),
        (["demo", "--city", "gotham"], "there is no simulated city 'gotham'"),
    ],
)
def test_what_does_not_fit_the_city_is_said_at_once(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    said = refused(arguments, tmp_path, 1)
    assert said.startswith(f"cityvigil: {complaint}")
    assert list(tmp_path.iterdir()) == []


def test_migrate_brings_an_outside_database_up_to_date_and_finds_it_so_the_second_time(
    empty_database: str, tmp_path: Path
) -> None:
    first = call(["migrate"], tmp_path, {"DATABASE_URL": empty_database})
    assert first.returncode == 0
    assert "applied migration 1 registry" in first.stderr
    second = call(["migrate"], tmp_path, {"DATABASE_URL": empty_database})
    assert second.returncode == 0
    assert "the schema is up to date" in second.stderr
    assert "applied" not in second.stderr


def test_a_service_on_a_database_without_schema_says_what_to_do(empty_database: str, tmp_path: Path) -> None:
    assert "run `cityvigil migrate` first" in refused(["status"], tmp_path, 1, {"DATABASE_URL": empty_database})


@pytest.mark.parametrize("service", ["ingest", "engine", "alerts"])
def test_a_service_that_cannot_go_on_says_so_in_its_log(service: str, empty_database: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": empty_database, "LOG__FORMAT": "json", "ENGINE__WORKERS": "1"}
    *_, last = refused([service], tmp_path, 1, settings).splitlines()
    line = json.loads(last)
    assert (line["service"], line["action"], line["level"]) == (service, "service_failed", "error")
    assert "run `cityvigil migrate` first" in line["event"]


def test_decode_reads_and_writes_json_lines(tmp_path: Path) -> None:
    payload = json.dumps(
        {"time": "2026-03-14T12:00:00Z", "readings": [{"metric": "flow", "value": 1.5, "unit": "m3/h"}]}
    )
    line = {"topic": "cityvigil/v1/water/dma/dma-1", "payload_b64": base64.b64encode(payload.encode()).decode()}
    done = call(["decode"], tmp_path, stdin=f"{json.dumps(line)}\nnonsense\n".encode())
    assert done.returncode == 0
    good, bad = (json.loads(answer) for answer in done.stdout.splitlines())
    assert good["readings"] == [["dma-1", "flow", 1.5, "m3/h", "2026-03-14T12:00:00Z"]]
    assert good["rejected"] is None
    assert bad["rejected"].startswith("bad_line: line 2: ")


def test_dashboards_are_written_one_file_each(tmp_path: Path) -> None:
    done = call(["dashboards", "build", "--out", str(tmp_path / "new" / "folder")], tmp_path)
    assert done.returncode == 0
    files = [Path(line) for line in done.stdout.splitlines()]
    assert len(files) == len(set(files)) == len(dashboards())
    for file in files:
        assert json.loads(file.read_text())["title"]


def test_a_folder_that_cannot_be_written_is_one_plain_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(["dashboards", "build", "--out", str(tmp_path / "file" / "folder")], tmp_path, 1)
    assert said.startswith("cityvigil: ")
    assert len(said.splitlines()) == 1


def test_a_data_folder_that_is_none_is_one_plain_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(["status"], tmp_path, 1, {"DATA_DIR": str(tmp_path / "file")})
    assert said.startswith("cityvigil: ")
    assert str(tmp_path / "file") in said
    assert len(said.splitlines()) == 1


def test_status_as_json_is_one_line_with_everything(connection: Connection, database_url: str, tmp_path: Path) -> None:
    seed_city(connection, NOW)
    clock = {"CLOCK__ORIGIN": NOW.isoformat(), "CLOCK__STARTED_AT": datetime.now(UTC).isoformat()}
    done = call(["status", "--json"], tmp_path, {"DATABASE_URL": database_url, **clock})
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    status = json.loads(line)
    assert {feed["feed"]: feed["closes"] for feed in status["feeds"]} == {"cityvigil_json": True, "hfp": True}
    assert status["engine"]["models"] == 6
    assert 65 <= status["engine"]["lag_s"] < 65 + 60
    assert sum(status["open_incidents"].values()) == 3
    assert status["outbox"] == [{"channel": "webhook", "waiting": 5, "sent": 0, "failed": 0}]


def test_status_for_people(connection: Connection, database_url: str, tmp_path: Path) -> None:
    seed_city(connection, NOW)
    done = call(["status"], tmp_path, {"DATABASE_URL": database_url})
    assert done.returncode == 0
    assert "cityvigil_json" in done.stdout
    assert "hfp" in done.stdout
    assert "open incidents: " in done.stdout
    assert "{" not in done.stdout
    assert "None" not in done.stdout


def test_status_of_a_city_of_which_nothing_is_known(database_url: str, tmp_path: Path) -> None:
    done = call(["status"], tmp_path, {"DATABASE_URL": database_url})
    assert done.returncode == 0
    assert "open incidents: none" in done.stdout
    assert "None" not in done.stdout


def test_a_malformed_recording_names_file_and_line(broker: tuple[str, int], tmp_path: Path) -> None:
    file = tmp_path / "night.txt"
    file.write_text('2026-03-14T12:00:00Z cityvigil/v1/water/dma/x {"readings":[]}\n\nnoon cityvigil/v1/a {}\n')
    host, port = broker
    said = refused(["replay", str(file), "--speed", "max"], tmp_path, 1, {"MQTT__HOST": host, "MQTT__PORT": str(port)})
    assert said == f"cityvigil: {file}, line 3: the receive time is not RFC 3339\n"
