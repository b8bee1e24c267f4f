"""The gallery of scenarios, and what is said of one that makes no sense."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.asset import Domain
from core.errors import InputFileError
from simulators.city import City, build_city
from simulators.fault import FaultError
from simulators.scenario import gallery, read_scenario

START = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def cities() -> dict[str, City]:
    return {name: build_city(name) for name in ("tiny", "small")}


def test_there_are_a_dozen_and_three_cross_domains(cities: dict[str, City]) -> None:
    assert len(gallery()) >= 12
    across = 0
    for name in gallery():
        story = read_scenario(name)
        city = cities[story.city]
        domains = {asset.name: asset.domain for asset in city.assets}
        across += len({domains[fault.asset] for fault in story.faults(city, START)}) > 1
    assert across >= 3


def test_each_department_has_its_stories(cities: dict[str, City]) -> None:
    told = {
        asset.domain
        for name in gallery()
        for story in [read_scenario(name)]
        for fault in story.faults(cities[story.city], START)
        for asset in cities[story.city].assets
        if asset.name == fault.asset
    }
    assert told == set(Domain)


@pytest.mark.parametrize("name", gallery())
def test_each_story_can_be_told_in_its_city_and_ends_in_time(name: str, cities: dict[str, City]) -> None:
    story = read_scenario(name)
    assert story.title
    assert story.text.endswith(".")
    faults = story.faults(cities[story.city], START)
    for fault in faults:
        assert START < fault.start < fault.end <= START + timedelta(days=story.days) + timedelta(days=1)
    assert story.faults(cities[story.city], START) == faults
    later = story.faults(cities[story.city], START + timedelta(days=30))
    assert [fault.asset for fault in later] == [fault.asset for fault in faults]


def test_the_nearest_is_nearest(cities: dict[str, City]) -> None:
    burst, road, _ = read_scenario("flooded-road").faults(cities["small"], START)
    places = {asset.name: asset.place for asset in cities["small"].assets}
    here = places[burst.asset]
    assert here is not None

    def apart(name: str) -> float:
        place = places[name]
        assert place is not None
        return (place.latitude - here.latitude) ** 2 + ((place.longitude - here.longitude) * 0.685) ** 2

    roads = [asset.name for asset in cities["small"].assets if asset.kind == "road_segment"]
    assert apart(road.asset) == pytest.approx(min(apart(name) for name in roads), rel=0.02)


GOOD = """title: A story
text: Something breaks.
city: tiny
days: 2
faults:
  - {kind: burst, asset: dma-1, after: PT1H, lasts: PT1H}
"""


def test_a_file_is_read_as_well_as_the_gallery(tmp_path: Path, cities: dict[str, City]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    story = read_scenario(str(path))
    assert story.name == "mine"
    assert [fault.asset for fault in story.faults(cities["tiny"], START)] == ["dma-1"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("city: tiny", "city: huge", "city 'huge' is none of: tiny, small, medium"),
        ("kind: burst", "kind: meteor", "faults.0.kind"),
        ("lasts: PT1H", "lasts: PT0S", "faults.0.lasts"),
        ("after: PT1H", "after: -PT1H", "faults.0.after"),
        ("asset: dma-1", "asset: {kind: dma}", "chosen by number or by nearest_to"),
        ("days: 2", "days: 2\ncolour: red", "colour"),
        ("days: 2", "days: [", "line"),
        ("text: Something breaks.\n", "", "text"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InputFileError) as caught:
        read_scenario(str(path))
    assert "mine.yaml" in str(caught.value)
    assert said in str(caught.value)


def test_a_story_that_nobody_knows_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InputFileError, match="flooded-road"):
        read_scenario("atlantis")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("lamp-99", "there is no asset 'lamp-99'"),
        ("{kind: lamp, number: 41}", "has 40 assets of kind lamp, not 41"),
        ("{kind: lamp, nearest_to: flood}", "nothing named 'flood' breaks before"),
        ("lamp-07", "burst is a fault of a dma"),
    ],
)
def test_an_asset_that_cannot_be_meant_is_refused(
    tmp_path: Path, cities: dict[str, City], where: str, said: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace("asset: dma-1", f"asset: {where}"))
    with pytest.raises(FaultError, match=said):
        read_scenario(str(path)).faults(cities["tiny"], START)
