"""A query to PostgreSQL as Grafana's JSON wants it; the Foundation SDK has no type for this data source."""

from dataclasses import dataclass
from enum import StrEnum
from importlib import resources

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

PLUGIN = "grafana-postgresql-datasource"
"""Grafana's name for its PostgreSQL data source."""

DATASOURCE_VARIABLE = "datasource"
"""Name of the variable that chooses the data source."""


class Shape(StrEnum):
    """How Grafana reads the rows."""

    TABLE = "table"
    TIME_SERIES = "time_series"


def sql_text(name: str) -> str:
    """Return the text of `sql/<name>.sql`."""
    return resources.files("dashboards.sql").joinpath(f"{name}.sql").read_text("utf-8").strip()


def datasource() -> DataSourceRef:
    """Return the reference that panels, variables and annotations give."""
    return DataSourceRef(type_val=PLUGIN, uid=f"${{{DATASOURCE_VARIABLE}}}")


class PostgresQuery(Dataquery):
    """One query of a panel or an annotation."""

    def __init__(self, name: str, shape: Shape, reference: str) -> None:
        self.name = name
        self.shape = shape
        self.reference = reference

    def to_json(self) -> dict[str, object]:
        """Return what Grafana stores."""
        return {
            "refId": self.reference,
            "datasource": datasource(),
            "editorMode": "code",
            "format": self.shape.value,
            "rawQuery": True,
            "rawSql": sql_text(self.name),
        }


@dataclass(frozen=True, slots=True)
class Sql(Builder[Dataquery]):
    """Builds a query.

    Attributes
    ----------
    name
        File in `sql/`, without its suffix.
    reference
        Grafana's name for it, unique in its panel.
    """

    name: str
    shape: Shape = Shape.TIME_SERIES
    reference: str = "A"

    def build(self) -> Dataquery:
        """Return the query."""
        return PostgresQuery(self.name, self.shape, self.reference)
