"""What there is: counts, names, places, edges, limits."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.units import is_unit
from simulators.department import Department
from simulators.streetlights import PRESETS, SMALL, TINY, Scale, StreetlightsError
from tests.simulators.streetlights.parts import MONDAY_DAY, lights


def test_it_is_a_department() -> None:
    department: Department = lights()
    assert department.step_s == 900
    assert department.values(MONDAY_DAY).shape == (len(department.series), 96)


@pytest.mark.parametrize(("name", "count"), [("tiny", 61), ("small", 1_814), ("medium", 45_180)])
def test_presets_have_as_many_series_as_they_say(name: str, count: int) -> None:
    assert len(lights(PRESETS[name]).series) == count


def test_names_are_unique_and_every_series_has_an_asset() -> None:
    city = lights(SMALL)
    names = Counter(asset.name for asset in city.assets)
    assert max(names.values()) == 1
    assert {each.asset for each in city.series} <= names.keys()
    assert len({(each.asset, each.metric) for each in city.series}) == len(city.series)
    assert all(is_unit(unit) for unit in {each.unit for each in city.series})


def test_edges_are_one_tree_below_each_feeder() -> None:
    city = lights(SMALL)
    kinds = {asset.name: asset.kind for asset in city.assets}
    parents = {child: parent for parent, child in city.edges}
    assert len(parents) == len(city.edges)
    assert Counter((kinds[parent], kinds[child]) for parent, child in city.edges).keys() == {
        ("feeder", "cabinet"),
        ("cabinet", "phase"),
        ("phase", "lamp"),
    }
    assert {name for name in kinds if name not in parents} == {name for name in kinds if kinds[name] == "feeder"}


def test_lamps_stand_in_order_along_their_cable_and_alternate_phases() -> None:
    city = lights(SMALL)
    places = {asset.name: asset.place for asset in city.assets}
    parents = {child: parent for parent, child in city.edges}
    for cable in city.cables:
        cabinet = parents[parents[cable[0]]]
        assert {parents[parents[lamp]] for lamp in cable} == {cabinet}
        start = places[cabinet]
        assert start is not None
        away = []
        for lamp in cable:
            place = places[lamp]
            assert place is not None
            east = (place.longitude - start.longitude) * 0.685
            away.append(111_320 * float(np.hypot(place.latitude - start.latitude, east)))
        assert all(15 < step < 45 for step in np.diff([0.0, *away]))
        assert parents[cable[0]] != parents[cable[1]]
        assert parents[cable[0]] == parents[cable[3]]


def test_everything_stands_in_the_city() -> None:
    for asset in lights(PRESETS["medium"]).assets:
        assert asset.place is not None
        assert asset.zone
        assert abs(asset.place.latitude - 46.77) < 0.08
        assert abs(asset.place.longitude - 23.59) < 0.12


def test_values_keep_their_series_limits() -> None:
    city = lights(SMALL)
    values = city.values(MONDAY_DAY)
    lower = np.array([-np.inf if each.lower_limit is None else each.lower_limit for each in city.series])
    upper = np.array([np.inf if each.upper_limit is None else each.upper_limit for each in city.series])
    assert np.nanmin(values - lower[:, None]) >= 0
    assert np.nanmax(values - upper[:, None]) <= 0


@settings(max_examples=15, deadline=None)
@given(
    st.builds(
        Scale,
        feeders=st.integers(1, 3),
        cabinets_per_feeder=st.integers(1, 3),
        cables_per_cabinet=st.integers(1, 3),
        lamps_per_cable=st.integers(1, 5),
        smart_share=st.floats(0, 1),
    )
)
def test_any_scale_can_be_built(scale: Scale) -> None:
    city = lights(scale)
    values = city.values(MONDAY_DAY)
    assert len(city.series) == 3 * scale.feeders + 5 * scale.cabinets + scale.lamps + 4 * scale.smart_lamps
    assert values.shape == (len(city.series), 96)
    assert np.isnan(values).mean() < 0.05


@pytest.mark.parametrize(("counts", "share"), [((0, 1, 1, 1), 0.5), ((1, 1, 1, 1), 1.5), ((1, 1, 1, 1), -0.1)])
def test_an_impossible_scale_is_refused(counts: tuple[int, int, int, int], share: float) -> None:
    with pytest.raises(StreetlightsError):
        Scale(*counts, smart_share=share)


@pytest.mark.parametrize(("seed", "step_s"), [(-1, 900), (1, 0), (1, 1350), (1, 90), (1, 7200)])
def test_an_impossible_seed_or_step_is_refused(seed: int, step_s: int) -> None:
    with pytest.raises(StreetlightsError):
        lights(TINY, seed=seed, step_s=step_s)
