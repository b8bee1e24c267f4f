"""Builds all dashboards to JSON, one file each."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from core.errors import InputFileError
from dashboards.city_now import city_now


def dashboards() -> dict[str, Dashboard]:
    """Return every dashboard, by its uid, which never changes."""
    built = [city_now()]
    return {str(dashboard.uid): dashboard for dashboard in built}


def encode(dashboard: Dashboard) -> str:
    """Return a dashboard as Grafana reads it."""
    document = json.loads(JSONEncoder().encode(dashboard))
    for annotation in document["annotations"]["list"]:
        # The SDK writes a field of Grafana 12, which Grafana 11 does not know.
        annotation.pop("placement", None)
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def write(out: Path) -> list[Path]:
    """Write `<uid>.json` for each dashboard and return the files; `out` is made if it is missing.

    Raises
    ------
    InputFileError
        If a file cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        return [_write(out / f"{uid}.json", dashboard) for uid, dashboard in dashboards().items()]
    except OSError as exc:
        raise InputFileError(str(out), None, f"cannot be written: {exc.strerror}") from exc


def _write(path: Path, dashboard: Dashboard) -> Path:
    path.write_text(encode(dashboard), "utf-8")
    return path
