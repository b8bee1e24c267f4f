import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError

from core.clock import ScaledClock, SystemClock
from core.errors import SettingsError
from core.settings import ClockSettings, Settings, clock_of, read_settings, variable_names

SECRET = "hunter2-of-the-city"
SECRETS = {
    "CITYVIGIL_DATABASE_URL": f"postgresql://city:{SECRET}@db/city",
    "CITYVIGIL_MQTT__PASSWORD": SECRET,
    "CITYVIGIL_ALERTS__WEBHOOK_URL": f"https://hooks.example/{SECRET}",
}


@pytest.fixture(autouse=True)
def _empty_environment(tmp_path: Path) -> Iterator[None]:
    with mock.patch.dict(os.environ, clear=True):
        yield


def read(**variables: str) -> Settings:
    with mock.patch.dict(os.environ, variables):
        return read_settings()


def complaint(**variables: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(**variables)
    return str(caught.value)


def fault_of(name: str, value: str) -> str | None:
    try:
        read(**{name: value})
    except SettingsError as exc:
        return str(exc)
    return None


def test_nothing_set_means_the_defaults() -> None:
    defaults = read()
    assert defaults.database_url is None
    assert defaults.mqtt.host == "127.0.0.1"
    assert defaults.alerts.budget == 10
    assert defaults.ingest.window_back_days == 400
    assert defaults.ingest.window_ahead_s == 600
    assert defaults.engine.lateness_s == 60


def test_nested_settings_are_read() -> None:
    given_settings = read(
        CITYVIGIL_MQTT__PORT="1884",
        CITYVIGIL_MQTT__TOPICS='["/hfp/v2/#", "cityvigil/#"]',
        CITYVIGIL_DATA_DIR="/var/lib/city",
        CITYVIGIL_TIME_ZONE="Europe/Helsinki",
    )
    assert given_settings.mqtt.port == 1884
    assert given_settings.mqtt.topics == ("/hfp/v2/#", "cityvigil/#")
    assert given_settings.mqtt.keep_alive_s == 30
    assert given_settings.data_dir == Path("/var/lib/city")
    assert given_settings.time_zone == "Europe/Helsinki"


def test_a_group_may_come_as_json() -> None:
    given_settings = read(CITYVIGIL_MQTT='{"host": "broker", "port": 1885}', CITYVIGIL_MQTT__PORT="1886")
    assert (given_settings.mqtt.host, given_settings.mqtt.port) == ("broker", 1886)


@pytest.mark.parametrize(
    "name",
    ["CITYVIGIL_MQTT__HSOT", "CITYVIGIL_DATABSE_URL", "CITYVIGIL_MQTT_HOST", "CITYVIGIL_", "CITYVIGIL_MQTT__HOST__X"],
)
def test_unknown_variable_is_named_and_its_value_is_not(name: str) -> None:
    said = complaint(**{name: SECRET})
    assert name in said
    assert SECRET not in said


def test_every_unknown_variable_is_named() -> None:
    assert complaint(CITYVIGIL_B="1", CITYVIGIL_A="1") == "unknown setting: CITYVIGIL_A, CITYVIGIL_B"


def test_variables_of_others_are_none_of_our_business() -> None:
    assert read(HOME="/root", CITYVIGILANT="1", MQTT__HOST="x") == read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CITYVIGIL_MQTT__PORT", "65536"),
        ("CITYVIGIL_MQTT__PORT", "many"),
        ("CITYVIGIL_MQTT__TLS", "perhaps"),
        ("CITYVIGIL_INGEST__FLUSH_AFTER_S", "0"),
        ("CITYVIGIL_INGEST__FLUSH_AFTER_S", "PT30S"),
        ("CITYVIGIL_LOG__LEVEL", "loud"),
        ("CITYVIGIL_TIME_ZONE", "Mars/Olympus"),
        ("CITYVIGIL_TIME_ZONE", "../etc/passwd"),
        ("CITYVIGIL_CLOCK__ORIGIN", "2026-01-01T00:00:00"),
        ("CITYVIGIL_API__PORT", "-1"),
    ],
)
def test_variable_that_holds_what_it_must_not_is_named(name: str, value: str) -> None:
    said = complaint(**{name: value})
    assert said.startswith(f"{name}: ")


def test_every_fault_is_named_at_once() -> None:
    said = complaint(CITYVIGIL_MQTT__PORT="0", CITYVIGIL_ALERTS__BUDGET="-1")
    assert "CITYVIGIL_MQTT__PORT: " in said
    assert "CITYVIGIL_ALERTS__BUDGET: " in said


@pytest.mark.parametrize("name", ["CITYVIGIL_MQTT", "CITYVIGIL_MQTT__TOPICS", "CITYVIGIL_ALERTS"])
@pytest.mark.parametrize("value", [f"[{SECRET}", f'{{"password": "{SECRET}"', SECRET])
def test_json_that_is_none_is_refused_without_showing_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**{name: value})
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("value", [f'{{"pasword": "{SECRET}"}}', f'{{"port": "{SECRET}"}}', f'["{SECRET}"]'])
def test_fault_in_a_group_is_told_without_its_value(value: str) -> None:
    said = complaint(CITYVIGIL_MQTT=value)
    assert "CITYVIGIL_MQTT" in said
    assert SECRET not in said


def secret_fields(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from (f"{name}__{inner}" for inner in secret_fields(field.annotation))
        elif "SecretStr" in str(field.annotation):
            yield name


def test_secrets_tried_here_are_all_there_are() -> None:
    assert {f"CITYVIGIL_{name}".upper() for name in secret_fields(Settings)} == set(SECRETS)


def test_secrets_are_read_and_never_shown() -> None:
    given_settings = read(**SECRETS)
    assert isinstance(given_settings.database_url, SecretStr)
    assert SECRET in given_settings.database_url.get_secret_value()
    for shown in (
        repr(given_settings),
        str(given_settings),
        given_settings.model_dump_json(),
        f"{given_settings.mqtt}",
    ):
        assert SECRET not in shown


def test_secrets_stay_hidden_when_another_setting_is_wrong() -> None:
    assert SECRET not in complaint(**SECRETS, CITYVIGIL_MQTT__PORT="x")
    assert SECRET not in complaint(**SECRETS, CITYVIGIL_NO_SUCH="x")


def test_settings_made_directly_hide_what_they_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYVIGIL_MQTT__PORT", SECRET)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert SECRET not in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    given_settings = read()
    for target, name in ((given_settings, "country"), (given_settings.mqtt, "host")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(target, name, "x")


def test_every_variable_that_is_listed_is_known() -> None:
    names = list(variable_names())
    assert len(names) == len(set(names))
    assert {"CITYVIGIL_DATABASE_URL", "CITYVIGIL_MQTT__HOST", "CITYVIGIL_CLOCK__SPEED"} <= set(names)


def test_every_setting_says_what_it_is() -> None:
    groups = [field.annotation for field in Settings.model_fields.values()]
    models: list[type[BaseModel]] = [
        Settings,
        *(kind for kind in groups if isinstance(kind, type) and issubclass(kind, BaseModel)),
    ]
    for model in models:
        for name, field in model.model_fields.items():
            kind = field.annotation
            assert field.description or (isinstance(kind, type) and issubclass(kind, BaseModel)), (model, name)


@settings(deadline=None)
@given(st.sampled_from(sorted(variable_names())), st.text(st.characters(codec="utf-8", exclude_characters="\x00")))
def test_any_text_is_taken_or_refused_with_the_variables_name(name: str, value: str) -> None:
    said = fault_of(name, value)
    group = name.removeprefix("CITYVIGIL_").partition("__")[0].lower()
    assert said is None or group in said.lower()


def test_without_clock_settings_the_machines_clock_counts() -> None:
    assert isinstance(clock_of(ClockSettings()), SystemClock)


def test_clock_settings_make_a_scaled_clock() -> None:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    assert clock_of(ClockSettings(origin=moment, started_at=moment, speed=60)) == ScaledClock(moment, moment, 60)


@pytest.mark.parametrize("name", ["ORIGIN", "STARTED_AT"])
def test_half_a_clock_is_refused(name: str) -> None:
    half = read(**{f"CITYVIGIL_CLOCK__{name}": "2026-01-05T00:00:00Z"})
    with pytest.raises(SettingsError, match="go together"):
        clock_of(half.clock)
