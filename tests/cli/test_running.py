import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from cli.context import load_settings
from cli.running import announced, running_environment
from tests.paths import REPO

ENVIRONMENT = {"CITYVIGIL_DATABASE_URL": "postgresql://u:secret@h/d", "CITYVIGIL_MQTT__PORT": "18830"}


def test_what_runs_is_found_as_long_as_it_runs(tmp_path: Path) -> None:
    assert running_environment(tmp_path) == {}
    with announced(tmp_path, ENVIRONMENT):
        assert running_environment(tmp_path) == ENVIRONMENT
    assert running_environment(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_it_is_forgotten_when_the_command_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), announced(tmp_path, ENVIRONMENT):
        raise RuntimeError
    assert running_environment(tmp_path) == {}


def test_only_this_account_may_read_the_password(tmp_path: Path) -> None:
    with announced(tmp_path, ENVIRONMENT):
        (file,) = tmp_path.iterdir()
        assert file.stat().st_mode & 0o777 == 0o600


def test_what_was_killed_counts_as_gone(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from cli.running import announced\n"
        f"held = announced(Path({str(tmp_path)!r}), {ENVIRONMENT!r})\n"
        "held.__enter__()\n"
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=False)
    assert len(list(tmp_path.iterdir())) == 1
    assert running_environment(tmp_path) == {}


def test_a_later_process_with_the_same_number_is_another_one(tmp_path: Path) -> None:
    with announced(tmp_path, ENVIRONMENT):
        (file,) = tmp_path.iterdir()
        record = json.loads(file.read_text())
        assert record["pid"] == os.getpid()
        file.write_text(json.dumps({**record, "started": record["started"] - 1}))
        assert running_environment(tmp_path) == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", "{}", '{"pid": "x"}', '{"pid": 1, "started": 0, "environment": []}']
)
def test_a_file_that_says_nothing_sensible_is_nobody(tmp_path: Path, text: str) -> None:
    with announced(tmp_path, ENVIRONMENT):
        (file,) = tmp_path.iterdir()
        file.write_text(text)
        assert running_environment(tmp_path) == {}


def settings_seen(data_dir: Path, *, join: bool = True, **own: str) -> dict[str, str | None]:
    """Return a few of the settings that a second command would have, with what it set itself."""
    environment = {"CITYVIGIL_DATA_DIR": str(data_dir), **own}
    # Logging is the whole process's, and so every other test's.
    with mock.patch.dict(os.environ, environment), mock.patch("cli.context.configure_logging"):
        found = load_settings(join=join)
    url = found.database_url.get_secret_value() if found.database_url else None
    return {"url": url, "port": str(found.mqtt.port), "folder": str(found.data_dir)}


def test_a_second_command_works_with_what_runs(tmp_path: Path) -> None:
    inner = str(tmp_path / "demo")
    with announced(tmp_path, {**ENVIRONMENT, "CITYVIGIL_DATA_DIR": inner}):
        assert settings_seen(tmp_path) == {"url": "postgresql://u:secret@h/d", "port": "18830", "folder": inner}
        assert settings_seen(tmp_path, CITYVIGIL_MQTT__PORT="7")["port"] == "7"


def test_a_second_command_with_a_database_of_its_own_does_not_join(tmp_path: Path) -> None:
    with announced(tmp_path, ENVIRONMENT):
        seen = settings_seen(tmp_path, CITYVIGIL_DATABASE_URL="postgresql://own/d")
        assert (seen["url"], seen["port"]) == ("postgresql://own/d", "1883")
        assert settings_seen(tmp_path, join=False)["url"] is None
