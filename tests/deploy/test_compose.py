"""docker-compose.yml, the image and what they mount fit each other and the program."""

import fnmatch
import re
from typing import Any

import pytest
import yaml

from core.settings import read_settings, variable_names
from dashboards.build import dashboards
from dashboards.query import PLUGIN
from tests.paths import REPO

COMPOSE: dict[str, Any] = yaml.safe_load((REPO / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {name: service for name, service in SERVICES.items() if service["image"].startswith("cityvigil:")}
DOCKERFILE = (REPO / "deploy" / "Dockerfile").read_text("utf-8")
ONE_SHOT = {"migrate", "dashboards"}
COMMANDS = {
    "migrate": ["migrate"],
    "ingest": ["ingest"],
    "engine": ["engine"],
    "alerts": ["alerts"],
    "api": ["api"],
    "dashboards": ["dashboards", "build", "--out", "/dashboards"],
}
SECRET = re.compile(r"PASSWORD")


def environment(service: dict[str, Any]) -> dict[str, str | None]:
    found: dict[str, str | None] = service.get("environment", {})
    return found


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Return source by target."""
    pairs = (mount.split(":") for mount in service.get("volumes", []))
    return {pair[1]: pair[0] for pair in pairs}


def test_each_of_our_services_runs_a_command_that_exists() -> None:
    assert {name: service["command"] for name, service in OWN.items()} == COMMANDS


def test_every_setting_named_anywhere_is_a_real_one() -> None:
    known = set(variable_names())
    named = {name for service in SERVICES.values() for name in environment(service)}
    named |= set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", (REPO / ".env.example").read_text("utf-8")))
    assert {name for name in named if name.startswith("CITYVIGIL_")} <= known


@pytest.mark.parametrize("name", sorted(OWN))
def test_the_settings_of_a_service_are_valid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    values = {n: v for n, v in environment(OWN[name]).items() if n.startswith("CITYVIGIL_") and v is not None}
    for variable, value in values.items():
        default = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        monkeypatch.setenv(variable, re.sub(r"\$\{\w+:\?[^}]*\}", "given", default))
    assert read_settings().database_url is not None


def test_the_example_names_every_variable_that_compose_asks_for() -> None:
    text = (REPO / "docker-compose.yml").read_text("utf-8")
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    example = (REPO / ".env.example").read_text("utf-8")
    given = dict(re.findall(r"^(?:# )?(\w+)=(.*)$", example, re.MULTILINE))
    passed_on = {n for s in SERVICES.values() for n, v in environment(s).items() if v is None}
    assert asked | passed_on == set(given)
    assert all(not value for name, value in given.items() if SECRET.search(name))


def test_no_password_has_a_default() -> None:
    for service in SERVICES.values():
        for name, value in environment(service).items():
            if SECRET.search(name):
                assert re.fullmatch(r"\$\{\w+:\?set \w+ in \.env\}", str(value)), name


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+(-pg\d+)?", SERVICES[name]["image"])


def test_the_database_image_is_named_as_timescale_names_them() -> None:
    assert re.fullmatch(r"timescale/timescaledb:2\.23\.\d+-pg\d\d", SERVICES["database"]["image"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_dependencies_exist_and_can_come_true(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        service = SERVICES[other]
        if wanted["condition"] == "service_healthy":
            assert service["healthcheck"].get("test"), f"{other} has no health check"
        else:
            assert wanted["condition"] == "service_completed_successfully"
            assert other in ONE_SHOT


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_services_come_back_and_one_shots_end(name: str) -> None:
    assert SERVICES[name]["restart"] == ("on-failure" if name in ONE_SHOT else "unless-stopped")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_open_to_this_machine_only_unless_asked(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith(("127.0.0.1:", "${MQTT_BIND:-127.0.0.1}:"))


def test_what_is_mounted_is_there_and_every_volume_is_declared() -> None:
    for service in SERVICES.values():
        for source in mounts(service).values():
            if source.startswith("."):
                assert (REPO / source).exists()
            else:
                assert source in COMPOSE["volumes"]
    assert set(COMPOSE["volumes"]) == {
        source for s in SERVICES.values() for source in mounts(s).values() if not source.startswith(".")
    }


def test_the_image_installs_the_locked_versions_as_a_plain_user() -> None:
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert "\nHEALTHCHECK" in DOCKERFILE
    last_stage = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert "\nUSER cityvigil\n" in last_stage
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"python:3\.\d+-slim", base) for base in bases)


def _copied() -> list[str]:
    lines = [line.split()[1:] for line in DOCKERFILE.splitlines() if line.startswith("COPY")]
    return [source for words in lines if not words[0].startswith("--from") for source in words[:-1]]


def test_what_the_image_copies_is_there_and_in_the_build_context() -> None:
    kept = _kept()
    for source in _copied():
        assert (REPO / source).exists(), source
        assert source in kept, f"{source} is kept out by .dockerignore"


def test_the_image_holds_every_room() -> None:
    rooms = {path.parent.name for path in REPO.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert rooms <= set(_copied())


@pytest.mark.parametrize("path", [".git", ".venv", "cityvigil-data", "tests", ".env", "docs"])
def test_data_and_secrets_stay_out_of_the_build_context(path: str) -> None:
    assert path not in _kept()
    ignored = [line for line in (REPO / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("!")]
    assert any(fnmatch.fnmatch(path, pattern) for pattern in ignored)


def _kept() -> set[str]:
    lines = (REPO / ".dockerignore").read_text("utf-8").splitlines()
    return {line[1:].rstrip("/") for line in lines if line.startswith("!")}


def _provisioning(kind: str) -> dict[str, Any]:
    path = REPO / "deploy" / "grafana" / "provisioning" / kind / "cityvigil.yml"
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def test_grafana_finds_its_provisioning_and_the_dashboards() -> None:
    grafana = mounts(SERVICES["grafana"])
    assert grafana["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
    (provider,) = _provisioning("dashboards")["providers"]
    folder = provider["options"]["path"]
    assert grafana[folder] == mounts(SERVICES["dashboards"])["/dashboards"]
    home = environment(SERVICES["grafana"])["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in {f"{folder}/{uid}.json" for uid in dashboards()}


def test_grafana_reads_the_database_with_a_user_that_cannot_write() -> None:
    (source,) = _provisioning("datasources")["datasources"]
    database = environment(SERVICES["database"])
    assert source["type"] == PLUGIN
    assert source["url"] == "database:5432"
    assert source["jsonData"]["database"] == database["POSTGRES_DB"]
    variable = source["secureJsonData"]["password"].removeprefix("$")
    assert environment(SERVICES["grafana"])[variable] == database[variable]
    script = (REPO / "deploy" / "database" / "10-users.sh").read_text("utf-8")
    assert f"create role {source['user']} login" in script
    assert f"alter role {source['user']} set default_transaction_read_only = on" in script
    assert "/docker-entrypoint-initdb.d/10-users.sh" in mounts(SERVICES["database"])


def test_our_services_log_in_with_the_user_that_the_set_up_makes() -> None:
    script = (REPO / "deploy" / "database" / "10-users.sh").read_text("utf-8")
    for service in OWN.values():
        words = dict(word.split("=") for word in str(environment(service)["CITYVIGIL_DATABASE_URL"]).split())
        assert words == {"host": "database", "dbname": "cityvigil", "user": "cityvigil"}
        assert f"create role {words['user']} login" in script
        assert environment(service)["PGPASSWORD"] == environment(SERVICES["database"])["DATABASE_PASSWORD"]


def test_ingest_logs_in_to_the_broker_as_the_broker_expects() -> None:
    ingest, broker = environment(SERVICES["ingest"]), environment(SERVICES["broker"])
    assert ingest["CITYVIGIL_MQTT__HOST"] == "broker"
    assert ingest["CITYVIGIL_MQTT__USERNAME"] == broker["MQTT_USERNAME"]
    assert ingest["CITYVIGIL_MQTT__PASSWORD"] == broker["MQTT_PASSWORD"]
