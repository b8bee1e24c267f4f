import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.metrics import MetricKind, MetricTraits, traits_of
from ingest.decoders.hfp import _METRICS


@pytest.mark.parametrize(
    ("metric", "unit", "kind", "lower", "upper"),
    [
        ("latitude", "deg", MetricKind.POSITION, -90, 90),
        ("longitude", "deg", MetricKind.POSITION, -180, 180),
        ("heading", "deg", MetricKind.ANGLE, 0, 360),
        ("door_open", "0/1", MetricKind.STATE, 0, 1),
        ("odometer", "m", MetricKind.COUNTER, 0, None),
    ],
)
def test_limits_that_follow_from_the_metrics_nature(
    metric: str, unit: str, kind: MetricKind, lower: float, upper: float | None
) -> None:
    traits = traits_of(metric, unit)
    assert (traits.kind, traits.lower_limit, traits.upper_limit) == (kind, lower, upper)


@pytest.mark.parametrize(("metric", "unit"), [("speed", "km/h"), ("latitude", "rad"), ("level", "cm"), ("level", "")])
def test_traits_of_another_unit_do_not_hold(metric: str, unit: str) -> None:
    assert traits_of(metric, unit) == MetricTraits()


@pytest.mark.parametrize("unit", ["bar", "kPa", "m[H2O]"])
def test_numbered_metric_has_the_traits_of_its_family(unit: str) -> None:
    family = traits_of("pressure", unit)
    assert family != MetricTraits()
    assert traits_of("pressure_0", unit) == traits_of("pressure_17", unit) == family
    assert traits_of("pressure_", unit) == traits_of("pressure_x", unit) == traits_of("_3", unit) == MetricTraits()


def test_number_gives_no_family_to_a_metric_that_has_none() -> None:
    assert traits_of("latitude_1", "deg") == MetricTraits()


@pytest.mark.parametrize(("metric", "unit"), _METRICS)
def test_every_number_of_hfp_has_traits(metric: str, unit: str) -> None:
    assert traits_of(metric, unit) != MetricTraits()


@given(st.text(), st.text())
def test_any_metric_has_traits_with_ordered_limits(metric: str, unit: str) -> None:
    traits = traits_of(metric, unit)
    if traits.lower_limit is not None and traits.upper_limit is not None:
        assert traits.lower_limit < traits.upper_limit
