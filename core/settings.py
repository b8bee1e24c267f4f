"""Every setting of every service, read once from `CITYVIGIL_*` and passed down; nothing else reads the environment.

A nested group is written with two underscores: `CITYVIGIL_MQTT__HOST`.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.clock import Clock, ScaledClock, SystemClock
from core.errors import SettingsError

PREFIX = "CITYVIGIL_"
NESTING = "__"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MqttSettings(_Group):
    """The broker, and the session that we keep there."""

    host: str = Field("127.0.0.1", description="Broker's address.")
    port: int = Field(1883, ge=1, le=65535, description="Broker's port.")
    username: str | None = Field(None, description="User name, if the broker wants one.")
    password: SecretStr | None = Field(None, description="Password, if the broker wants one.")
    tls: bool = Field(False, description="Encrypt the connection with the system's certificates.")
    client_id: str = Field("cityvigil-ingest", description="Names the session; one running process per name.")
    topics: tuple[str, ...] = Field(("#",), description="Topic filters to subscribe to, as a JSON list.")
    session_expiry_s: int = Field(
        604_800, ge=0, description="How long the broker keeps messages for us while we are away."
    )
    receive_maximum: int = Field(
        8_000, ge=1, le=65_535, description="Unacknowledged QoS 1 messages that the broker may send; bounds memory."
    )
    keep_alive_s: int = Field(30, ge=1, le=65_535, description="Seconds between signs of life.")


class IngestSettings(_Group):
    """How messages become rows."""

    worker: str = Field("ingest-1", description="Names this process in the accounts.")
    batch_messages: int = Field(4_000, ge=1, description="Messages in one transaction at most.")
    flush_after_s: float = Field(0.2, gt=0, description="How long the first message of a batch waits at most.")
    queue_messages: int = Field(16_000, ge=1, description="Messages held in memory at most; then the socket waits.")
    max_payload_bytes: int = Field(262_144, ge=1, description="A longer payload is kept as a dead letter.")
    window_back_days: float = Field(400, gt=0, description="Event times further back than this are refused.")
    window_ahead_s: float = Field(600, ge=0, description="Event times further ahead than this are refused.")
    redelivery_window_s: float = Field(
        86_400, gt=0, description="How long a message without a time of its own is recognised when it comes again."
    )
    trust_recorded_arrival: bool = Field(
        True, description="Count from the arrival time that a replay states in a user property."
    )
    onboarding: bool = Field(
        True, description="Add devices that the registry does not know; if false they wait in quarantine."
    )


class EngineSettings(_Group):
    """How readings are judged."""

    step_s: int = Field(300, ge=1, description="Readings of one asset are judged together on this grid.")
    round_s: float = Field(5.0, gt=0, description="Processing time between two looks for new readings.")
    lateness_s: float = Field(60.0, ge=0, description="How far a feed's watermark stays behind its latest event.")
    detectors: tuple[str, ...] = Field(
        ("prophet_band", "slot_neighbours", "flat_line", "group_pca", "pca_lags"),
        min_length=1,
        description="Who judges, as a JSON list of names.",
    )
    history_days: float = Field(400.0, gt=0, description="Past that a model is fitted on at most.")
    catch_up_h: float = Field(
        24.0, ge=0, description="Event time that is judged when the engine runs for the first time."
    )
    refit_after_h: float = Field(
        24.0, gt=0, description="Event time after which a model is fitted anew at the earliest."
    )
    refit_within_h: float = Field(
        504.0, gt=0, description="Event time after which it is, however long its history; a fifth of it in between."
    )
    recent_rows: int = Field(288, ge=12, description="Steps that each asset keeps in memory for scoring.")
    silent_samples: float = Field(6.0, gt=0, description="Missing readings in a row after which a series is silent.")
    workers: int = Field(0, ge=0, description="Processes that fit models; 0 means one per core.")
    seed: int = Field(20_26, ge=0, description="Seed of every model that draws random numbers.")


class AlertSettings(_Group):
    """How anomalies become incidents and messages."""

    budget: float = Field(10.0, gt=0, description="False alerts allowed per 1,000 series per week.")
    calm_s: float = Field(1_800.0, ge=0, description="Event time without anomaly after which an incident resolves.")
    reopen_within_s: float = Field(7_200.0, ge=0, description="A relapse within this time reopens the incident.")
    round_s: float = Field(5.0, gt=0, description="Processing time between two looks for new anomalies.")
    webhook_url: SecretStr | None = Field(None, description="Where messages are sent by HTTP POST.")
    webhook_timeout_s: float = Field(5.0, gt=0, description="Seconds that a webhook may take to answer.")
    webhook_attempts: int = Field(40, ge=1, description="Deliveries tried before a message counts as failed.")
    page_url: str = Field("http://127.0.0.1:8000", description="Where people reach the page, for links in messages.")


class ApiSettings(_Group):
    """Where the API listens."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    max_points: int = Field(2_000, ge=10, description="Points of one series in one answer at most.")


class ClockSettings(_Group):
    """A clock of one's own for drills; all three values, or none for the machine's clock."""

    origin: AwareDatetime | None = Field(None, description="What the clock showed when it started.")
    started_at: AwareDatetime | None = Field(None, description="The machine's time when it started.")
    speed: float = Field(1.0, gt=0, description="Seconds of the clock per second of the machine.")


class LogSettings(_Group):
    """What the services say while they run."""

    level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level that is shown.")
    format: str = Field("text", pattern="^(text|json)$", description="`text` for people, `json` for machines.")


class Settings(BaseSettings):
    """All settings; frozen, secrets hidden when shown."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=NESTING, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL or TimescaleDB; unset means the embedded database in the data folder."
    )
    data_dir: Path = Field(Path("cityvigil-data"), description="Where the embedded database and broker keep theirs.")
    time_zone: str = Field("Europe/Bucharest", description="The city's IANA time zone.")
    country: str = Field("RO", description="ISO 3166-1 code of the country, for holidays.")
    dask_scheduler: str | None = Field(None, description="Dask cluster for model fits; unset means local processes.")
    mqtt: MqttSettings = MqttSettings()
    ingest: IngestSettings = IngestSettings()
    engine: EngineSettings = EngineSettings()
    alerts: AlertSettings = AlertSettings()
    api: ApiSettings = ApiSettings()
    clock: ClockSettings = ClockSettings()
    log: LogSettings = LogSettings()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as exc:
            raise ValueError("is not an IANA time zone") from exc
        return value


def variable_names(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> Iterator[str]:
    """Yield the name of every environment variable that sets something, groups included."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        yield variable
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from variable_names(kind, variable + NESTING)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check all settings.

    Parameters
    ----------
    environment
        The variables to check for misspelt names; None means the process's own.

    Raises
    ------
    SettingsError
        Naming each variable that is unknown or holds what it must not; never showing its value.
    """
    environment = os.environ if environment is None else environment
    known = set(variable_names())
    unknown = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError(f"unknown setting: {', '.join(unknown)}")
    try:
        return Settings()
    except ValidationError as exc:
        raise SettingsError("; ".join(_complaint(error["loc"], error["msg"]) for error in exc.errors())) from None
    except ValueError as exc:
        # pydantic-settings raises its own kind, with the variable's raw text in the cause, for JSON that is none.
        raise SettingsError(str(exc)) from None


def _complaint(location: tuple[int | str, ...], message: str) -> str:
    return f"{PREFIX}{NESTING.join(str(part) for part in location).upper()}: {message}"


def clock_of(settings: ClockSettings) -> Clock:
    """Return the clock that the settings ask for.

    Raises
    ------
    SettingsError
        If only one of `origin` and `started_at` is given.
    """
    origin: datetime | None = settings.origin
    started_at: datetime | None = settings.started_at
    if origin is None and started_at is None:
        return SystemClock()
    if origin is None or started_at is None:
        raise SettingsError("CITYVIGIL_CLOCK__ORIGIN and CITYVIGIL_CLOCK__STARTED_AT go together")
    return ScaledClock(origin, started_at, settings.speed)
