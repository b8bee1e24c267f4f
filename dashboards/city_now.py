"""The dashboard "City now": what is wrong, how the feeds are, and one series in depth."""

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard as DashboardBuilder,
)
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards import panels
from dashboards.query import DATASOURCE_VARIABLE, PLUGIN, Shape, Sql, datasource, sql_text

UID = "cityvigil-city-now"
_GRID_WIDTH = 24


def city_now() -> Dashboard:
    """Return the dashboard."""
    builder = (
        DashboardBuilder("City now")
        .uid(UID)
        .description("What is wrong in the city now, where, since when, and what the signals say.")
        .tags(["cityvigil"])
        .refresh("10s")
        .time("now-24h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(DatasourceVariable(DATASOURCE_VARIABLE).label("Data source").type(PLUGIN))
        .with_variable(_all_of("zone", "Zone", "zones"))
        .with_variable(_one_of("asset", "Asset", "assets"))
        .with_variable(_one_of("series", "Series", "series"))
        .annotation(_built_in_annotations())
        .annotation(_anomalies())
    )
    return _numbered(_with_panels(builder).build())


def _with_panels(builder: DashboardBuilder) -> DashboardBuilder:
    return (
        builder.with_panel(panels.open_incidents().span(16).height(9))
        .with_panel(panels.incidents_by_domain().span(5).height(9))
        .with_panel(panels.engine_lag().span(3).height(9))
        .with_row(Row("Chosen asset"))
        .with_panel(panels.series_with_band().span(_GRID_WIDTH).height(10))
        .with_panel(panels.p_values().span(12).height(7))
        .with_panel(panels.readings_per_minute().span(12).height(7))
        .with_row(Row("Feeds and history"))
        .with_panel(panels.feed_accounts().span(12).height(7))
        .with_panel(panels.incidents_opened().span(12).height(7))
    )


def _numbered(dashboard: Dashboard) -> Dashboard:
    # Grafana numbers panels without an id anew at each import, which breaks links to them.
    for number, panel in enumerate(dashboard.panels or [], start=1):
        panel.id_val = number
    return dashboard


def _one_of(name: str, label: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(datasource())
        .query(sql_text(query))
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(VariableSort.DISABLED)
    )


def _all_of(name: str, label: str, query: str) -> QueryVariable:
    everything = VariableOption(selected=True, text=["All"], value=["$__all"])
    return _one_of(name, label, query).multi(True).include_all(True).current(everything)


def _built_in_annotations() -> AnnotationQuery:
    return (
        AnnotationQuery()
        .name("Annotations & Alerts")
        .datasource(DataSourceRef(type_val="grafana", uid="-- Grafana --"))
        .enable(True)
        .hide(True)
        .icon_color(panels.BLUE)
        .built_in(1)
        .type("dashboard")
    )


def _anomalies() -> AnnotationQuery:
    return (
        AnnotationQuery()
        .name("Not normal")
        .datasource(datasource())
        .enable(True)
        .icon_color(panels.VERMILLION)
        .target(Sql("anomalies", Shape.TABLE, "Anno"))
    )
