"""`cityvigil settings`: every setting as a table, from the same source that the services read."""

import inspect
import json
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.settings import NESTING, PREFIX, Settings

_INTRODUCTION = """\
# Settings

Every service reads its settings from the environment, once, when it starts. A variable that begins with `CITYVIGIL_`
and is not listed here is refused, so that a misspelt one does not go unnoticed. Lists are written as JSON. No service
shows the value of a password, of the database's connection string or of the webhook's address.

This page is what `cityvigil settings` prints.
"""


def as_markdown() -> str:
    """Return a page with one table per group of settings."""
    parts = [_INTRODUCTION, "## General\n", _table(Settings, PREFIX)]
    for name, group in _groups(Settings):
        parts += [f"## {_title(name)}\n", f"{inspect.getdoc(group)}\n", _table(group, f"{PREFIX}{name}{NESTING}")]
    return "\n".join(parts)


def _groups(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def _title(name: str) -> str:
    return name.upper() if name in {"mqtt", "api"} else name.capitalize()


def _table(model: type[BaseModel], prefix: str) -> str:
    grouped = {name for name, _ in _groups(model)}
    rows = [
        f"| `{f'{prefix}{name}'.upper()}` | {_default(field)} | {field.description} |"
        for name, field in model.model_fields.items()
        if name not in grouped
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows, ""])


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None:
        return "unset"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | int | float | list | tuple):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"
