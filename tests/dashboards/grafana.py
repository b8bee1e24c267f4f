"""What Grafana makes of a query before it sends it: macros and variables, as its PostgreSQL data source expands them.

Source: Grafana 11, `pkg/tsdb/grafana-postgresql-datasource/macros.go`, and the manual's *Advanced variable formatting*.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

Value = str | Sequence[str]

_MACRO = re.compile(r"\$__(timeFilter|timeFrom|timeTo|timeGroupAlias|timeGroup)\(([^)]*)\)")
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(interval: str) -> float:
    """Return the length of an interval such as `5m`."""
    return float(interval[:-1]) * _UNIT_S[interval[-1]]


def escaped(value: Value) -> str:
    """Return one or more values as SQL strings (`sqlstring`)."""
    values = [value] if isinstance(value, str) else value
    return ",".join("'" + one.replace("'", "''") + "'" for one in values)


@dataclass(frozen=True, slots=True)
class Request:
    """What the viewer of a dashboard has chosen."""

    since: datetime
    until: datetime
    interval: str
    variables: Mapping[str, Value]
    timescale: bool = False

    def expand(self, sql: str) -> str:
        """Return the statement that the database receives."""
        return _MACRO.sub(self._macro, _VARIABLE.sub(self._variable, sql))

    def _variable(self, found: re.Match[str]) -> str:
        name = found[1] or found[3]
        if name in {"__timeFilter", "__timeFrom", "__timeTo", "__timeGroup", "__timeGroupAlias"}:
            return found[0]
        built_in = {"__interval": self.interval, "__interval_ms": f"{seconds(self.interval) * 1000:.0f}"}
        value = built_in.get(name, self.variables.get(name))
        assert value is not None, f"unknown variable {name}"
        if found[2] == "sqlstring":
            return escaped(value)
        assert found[2] in {None, "raw"}
        assert isinstance(value, str)
        return value

    def _macro(self, found: re.Match[str]) -> str:
        arguments = [part.strip() for part in found[2].split(",")]
        expand: dict[str, Callable[[], str]] = {
            "timeFilter": lambda: f"{arguments[0]} BETWEEN {_literal(self.since)} AND {_literal(self.until)}",
            "timeFrom": lambda: _literal(self.since),
            "timeTo": lambda: _literal(self.until),
            "timeGroup": lambda: self._group(*arguments),
            "timeGroupAlias": lambda: f'{self._group(*arguments)} AS "time"',
        }
        return expand[found[1]]()

    def _group(self, column: str, interval: str) -> str:
        step_s = seconds(interval.strip("'\""))
        if self.timescale:
            return f"time_bucket('{step_s:.3f}s',{column})"
        return f"floor(extract(epoch from {column})/{step_s:.0f})*{step_s:.0f}"


def _literal(time: datetime) -> str:
    return f"'{time.astimezone(UTC).isoformat(timespec='milliseconds').replace('+00:00', 'Z')}'"
