"""What the documents say of actions, settings, commands and each other."""

import re
import tomllib
from pathlib import Path

import pytest
import typer

from cli.main import app
from cli.settings_table import as_markdown
from core.logging import Action
from core.settings import variable_names
from tests.paths import REPO

DOCUMENTS = sorted([*REPO.glob("*.md"), *REPO.joinpath("docs").rglob("*.md")])
PACKAGES = ("alerts", "api", "cli", "dashboards", "detectors", "engine", "ingest", "simulators", "store")


def text_of(name: str) -> str:
    return (REPO / name).read_text("utf-8")


def table_rows(text: str) -> list[list[str]]:
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def test_each_action_is_explained_once_with_level_meaning_and_what_to_do() -> None:
    rows = table_rows(text_of("docs/logging.md"))
    assert sorted(row[0].strip("`") for row in rows) == sorted(Action)
    for action, level, meaning, todo in rows:
        assert set(re.findall(r"debug|info|warning|error", level.split()[0])), action
        assert meaning.endswith("."), action
        assert todo.endswith("."), action


def test_each_action_is_logged_by_somebody() -> None:
    code = "".join(path.read_text("utf-8") for name in PACKAGES for path in (REPO / name).rglob("*.py"))
    assert [action.name for action in Action if f"Action.{action.name}" not in code] == []


def test_the_levels_of_the_actions_are_those_of_the_code() -> None:
    code = "".join(path.read_text("utf-8") for name in PACKAGES for path in (REPO / name).rglob("*.py"))
    levels = {row[0].strip("`"): row[1] for row in table_rows(text_of("docs/logging.md"))}
    calls = re.findall(r"\.(debug|info|warning|error)\(\s*[^()]*?(?:\([^()]*\)[^()]*?)*?Action\.([A-Z_]+)", code)
    assert len({action for _, action in calls}) > len(Action) / 2
    for level, action in calls:
        assert level in levels[action.lower()], action


def test_the_page_of_settings_is_what_the_command_prints() -> None:
    assert text_of("docs/settings.md") == as_markdown(), "renew it with: cityvigil settings > docs/settings.md"


def test_every_setting_is_on_the_page_with_a_meaning() -> None:
    rows = {row[0].strip("`"): row for row in table_rows(as_markdown())}
    groups = {name for name in variable_names() if any(other.startswith(f"{name}__") for other in variable_names())}
    assert set(rows) == set(variable_names()) - groups
    for name, (_, default, meaning) in rows.items():
        assert meaning.endswith("."), name
        assert default == "unset" or re.fullmatch(r"`[^`]+`", default), name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_variables_that_a_document_names_exist(path: Path) -> None:
    known = set(variable_names())
    named = set(re.findall(r"CITYVIGIL_[A-Z_]*[A-Z]", path.read_text("utf-8")))
    assert {name for name in named if name not in known} == set()


def commands_in(path: Path) -> list[str]:
    """Return what follows `cityvigil` or `make` in code: in blocks at the line's start, else between backticks."""
    text = path.read_text("utf-8")
    blocks = re.findall(r"^(?:```\w*|    )?\s*\$? ?(?:\.venv/bin/)?((?:cityvigil|make) [^\n#]+)", text, re.MULTILINE)
    return [command.strip() for command in [*blocks, *re.findall(r"`((?:cityvigil|make) [^`\n]+)`", text)]]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))


def complaint(command: str) -> str | None:
    """Return what is wrong with a command line; None if nothing is."""
    program, *words = command.split()
    if program == "make":
        named = [word for word in words if re.fullmatch(r"[a-z]+", word)][:1]
        return None if set(named) <= targets() else f"there is no target {named}"
    node = typer.main.get_command(app)
    while isinstance(node, typer.core.TyperGroup) and words and not words[0].startswith("-"):
        if words[0] not in node.commands:
            return f"there is no command {words[0]}"
        node = node.commands[words.pop(0)]
    known = {option for parameter in node.params for option in parameter.opts} | {"--help"}
    unknown = {word for word in words if word.startswith("--")} - known
    return f"there is no option {unknown}" if unknown else None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_a_document_shows_exist(path: Path) -> None:
    assert {command: wrong for command in commands_in(path) if (wrong := complaint(command))} == {}


def test_the_readme_shows_commands() -> None:
    assert {"make demo", "make test", "cityvigil status"} <= set(commands_in(REPO / "README.md"))


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("make demo ARGS=--once", False),
        ("make tea", True),
        ("cityvigil dashboards build --out x", False),
        ("cityvigil dashboards sing", True),
        ("cityvigil brew", True),
        ("cityvigil demo --twice", True),
    ],
)
def test_a_command_that_does_not_exist_would_be_noticed(command: str, wrong: bool) -> None:
    assert (complaint(command) is not None) == wrong


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target) if target else path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


def test_the_changelog_has_an_entry_for_this_version() -> None:
    version = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", text_of("CHANGELOG.md"), re.MULTILINE)
