"""The panels of the dashboards. Colours are Okabe and Ito's."""

from grafana_foundation_sdk.builders import barchart, common, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)

from dashboards.query import Shape, Sql, datasource

BLUE = "#0072B2"
SKY = "#56B4E9"
ORANGE = "#E69F00"
VERMILLION = "#D55E00"
GREY = "#8A8F96"

_DOMAIN_COLORS = {"transport": "#CC79A7", "water": BLUE, "lighting": ORANGE}
_PER_MINUTE = "suffix:/min"


def _steps(*steps: tuple[float | None, str]) -> ThresholdsConfig:
    thresholds = [Threshold(value, color) for value, color in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(thresholds)


def _fixed(color: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": FieldColorModeId.FIXED.value, "fixedColor": color})


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.NONE)


def _lines(title: str, description: str, unit: str) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(datasource())
        .unit(unit)
        .line_width(1.5)
        .show_points(VisibilityMode.NEVER)
        .legend(_legend())
        .tooltip(_tooltip())
    )


def open_incidents() -> table.Panel:
    """Return the table of incidents that are not ended."""
    return (
        table.Panel()
        .title("Open incidents")
        .description("What is wrong now, heaviest first; severity from 0 to 100.")
        .datasource(datasource())
        .unit(units.Number)
        .no_value("No open incidents")
        .with_target(Sql("open_incidents", Shape.TABLE))
        .override_by_name(
            "severity",
            [
                DynamicConfigValue("decimals", 0),
                DynamicConfigValue("custom.width", 90),
                DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
                DynamicConfigValue(
                    "thresholds", _steps((None, GREY), (25, BLUE), (50, ORANGE), (75, VERMILLION)).build()
                ),
            ],
        )
        .override_by_name("since", [DynamicConfigValue("unit", units.DateTimeFromNow)])
        .override_by_name("explanation", [DynamicConfigValue("custom.minWidth", 420)])
    )


def incidents_by_domain() -> barchart.Panel:
    """Return the count of open incidents of each domain."""
    return (
        barchart.Panel()
        .title("Open incidents by domain")
        .description("Incidents that are neither resolved nor dismissed.")
        .datasource(datasource())
        .unit(units.Short)
        .decimals(0)
        .min(0)
        .orientation(VizOrientation.HORIZONTAL)
        .color_scheme(FieldColor().mode(FieldColorModeId.FIXED).fixed_color(BLUE))
        .with_target(Sql("incidents_by_domain", Shape.TABLE))
    )


def incidents_opened() -> timeseries.Panel:
    """Return how many incidents were opened over time."""
    panel = (
        _lines("Incidents opened", "By domain and step of time.", units.Short)
        .decimals(0)
        .interval("1h")
        .draw_style(GraphDrawStyle.BARS)
        .fill_opacity(70)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        .with_target(Sql("incidents_opened"))
    )
    for domain, color in _DOMAIN_COLORS.items():
        panel = panel.override_by_name(domain, [_fixed(color)])
    return panel


def engine_lag() -> stat.Panel:
    """Return how far the engine is behind."""
    return (
        stat.Panel()
        .title("Engine lag")
        .description("Event time between the latest message of any feed and what has been judged.")
        .datasource(datasource())
        .unit(units.Seconds)
        .no_value("Never ran")
        .color_mode(BigValueColorMode.VALUE)
        .thresholds(_steps((None, BLUE), (900, ORANGE), (3600, VERMILLION)))
        .with_target(Sql("engine_lag", Shape.TABLE))
    )


def feed_accounts() -> table.Panel:
    """Return the account of each feed."""
    return (
        table.Panel()
        .title("Feeds")
        .description("Messages and readings since the beginning. What came equals what became of it, in every row.")
        .datasource(datasource())
        .unit(units.Short)
        .no_value("No message yet")
        .with_target(Sql("feed_accounts", Shape.TABLE))
        .override_by_name("latest message", [DynamicConfigValue("unit", units.DateTimeFromNow)])
    )


def series_with_band() -> timeseries.Panel:
    """Return the chosen series with the band that was expected of it."""
    hidden = DynamicConfigValue("custom.lineWidth", 0)
    unseen = DynamicConfigValue("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False})
    return (
        _lines(
            "${asset:text}: ${series:text}",
            "Readings and the range that the model expected; shaded where it was not normal.",
            units.Short,
        )
        .with_target(Sql("series_readings", reference="A"))
        .with_target(Sql("series_band", reference="B"))
        .override_by_name("observed", [_fixed(VERMILLION), DynamicConfigValue("custom.lineWidth", 2)])
        .override_by_name("expected", [_fixed(SKY), DynamicConfigValue("custom.lineStyle", {"fill": "dash"})])
        .override_by_name("lower", [_fixed(SKY), hidden, unseen])
        .override_by_name(
            "upper",
            [
                _fixed(SKY),
                hidden,
                unseen,
                DynamicConfigValue("custom.fillBelowTo", "lower"),
                DynamicConfigValue("custom.fillOpacity", 20),
            ],
        )
    )


def readings_per_minute() -> timeseries.Panel:
    """Return how often the chosen asset reports."""
    return (
        _lines("Readings per minute: ${asset:text}", "By metric; a gap is silence.", _PER_MINUTE)
        .min(0)
        .with_target(Sql("readings_per_minute"))
    )


def p_values() -> timeseries.Panel:
    """Return how rare the chosen series is found."""
    return (
        _lines("How rare: ${series:text}", "Smallest p-value of each step; small is abnormal.", units.PercentUnit)
        .min(0)
        .max(1)
        .with_target(Sql("series_p_values"))
    )
