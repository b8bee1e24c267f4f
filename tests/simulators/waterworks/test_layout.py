import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.units import is_unit
from simulators.department import Department
from simulators.waterworks import MEDIUM, SMALL, TINY, WaterScale, Waterworks, WaterworksError
from simulators.waterworks.layout import CENTRE, lay_out
from simulators.waterworks.template import farthest, template_of
from tests.simulators.waterworks.making import MONDAY, built


def test_it_is_a_department(tiny: Waterworks) -> None:
    department: Department = tiny
    assert department.step_s == 900
    assert department.values(MONDAY).shape == (len(department.series), 96)


@pytest.mark.parametrize(("scale", "count"), [(TINY, 20), (SMALL, 1_200), (MEDIUM, 25_050)])
def test_presets_have_the_series_that_they_say(scale: WaterScale, count: int) -> None:
    department = built(scale)
    assert len(department.series) == count == scale.series_per_dma * scale.dmas
    assert len({asset.name for asset in department.assets}) == len(department.assets)
    assert len({(series.asset, series.metric) for series in department.series}) == count


def test_series_and_edges_name_assets_and_units(small: Waterworks) -> None:
    names = {asset.name for asset in small.assets}
    assert {series.asset for series in small.series} <= names
    assert {name for edge in small.edges for name in edge} <= names
    assert all(is_unit(unit) for unit in {series.unit for series in small.series})
    fed = {child for _, child in small.edges}
    assert names - fed == {asset.name for asset in small.assets if asset.kind == "pump_station"}


def test_assets_stand_around_the_centre_each_dma_in_its_zone(small: Waterworks) -> None:
    for asset in small.assets:
        assert asset.place is not None
        assert abs(asset.place.latitude - CENTRE.latitude) < 0.05
        assert abs(asset.place.longitude - CENTRE.longitude) < 0.05
    assert len({asset.zone for asset in small.assets}) == 8


def test_values_keep_the_limits_of_their_series(small: Waterworks) -> None:
    values = small.values(MONDAY)
    for series, row in zip(small.series, values, strict=True):
        assert series.lower_limit is not None
        assert np.nanmin(row) >= series.lower_limit
        assert series.upper_limit is None or np.nanmax(row) <= series.upper_limit


@pytest.mark.parametrize("number", range(6))
def test_networks_are_looped_and_connected(number: int) -> None:
    template = template_of(7, number)
    assert 20 <= template.junctions <= 36
    assert len(template.pipes) >= template.junctions  # a tree has one less
    reached = {template.entry}
    for _ in range(template.junctions):
        reached |= {
            end for pipe in template.pipes for end in (pipe.start, pipe.end) if {pipe.start, pipe.end} & reached
        }
    assert len(reached) == template.junctions
    assert farthest(template) != template.entry
    assert template.shares.sum() == pytest.approx(1.0)
    assert template.shares.min() > 0
    assert {pipe.diameter_mm for pipe in template.pipes} == {80.0, 100.0, 150.0}


@given(
    customers=st.integers(1, 300),
    sensors=st.integers(1, 16),
    dmas=st.integers(1, 3),
    seed=st.integers(0, 10_000),
)
def test_customers_shares_add_up_to_the_dmas_demand(customers: int, sensors: int, dmas: int, seed: int) -> None:
    for dma in lay_out(WaterScale(dmas, sensors, customers), seed):
        assert dma.taken_at.sum(axis=0) == pytest.approx(np.ones(customers))
        assert dma.base_m3_h.min() > 0
        metered = dma.taken_at @ dma.base_m3_h
        assert metered == pytest.approx((dma.mean_m3_h - dma.leakage_m3_h) * dma.template.shares, rel=1e-9)
        assert 0.08 < dma.leakage_m3_h / dma.mean_m3_h < 0.16
        assert len(set(dma.sensors.tolist())) == sensors


@pytest.mark.parametrize("wrong", [(0, 4, 4), (1, 17, 4), (1, 4, 0), (1_000, 4, 4)])
def test_a_scale_out_of_bounds_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(WaterworksError, match="is 1 to"):
        WaterScale(*wrong)


def test_a_step_that_misses_the_hour_and_a_negative_seed_are_refused() -> None:
    with pytest.raises(WaterworksError, match="step"):
        built(TINY, step_s=700)
    with pytest.raises(WaterworksError, match="seed"):
        built(TINY, seed=-1)
