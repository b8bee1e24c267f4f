from collections import Counter

import pytest

from core.errors import PermanentError
from core.metrics import traits_of
from simulators.city import City, build_city
from simulators.departments import edges_of
from simulators.network import FLEET, LINES, profile_of


def test_tiny_has_about_three_hundred_series(city: City) -> None:
    assert Counter(asset.kind for asset in city.assets) == {
        "vehicle": 30,
        "dma": 1,
        "tank": 1,
        "feeder": 2,
        "lamp": 40,
    }
    assert len(city.series) == 30 * 9 + 7 + 1 + 2 * 3 + 40


def test_every_series_has_its_interval_and_the_limits_of_its_metric(city: City) -> None:
    kinds = {asset.name: asset.kind for asset in city.assets}
    for one in city.series:
        traits = traits_of(one.metric, one.unit)
        assert one.expected_interval_s == (5.0 if kinds[one.asset] == "vehicle" else 300.0)
        assert (one.lower_limit, one.upper_limit) == (traits.lower_limit, traits.upper_limit)
        assert traits.lower_limit is not None


def test_names_are_unique_and_what_stands_has_a_place_near_the_city(city: City) -> None:
    assert len({asset.name for asset in city.assets}) == len(city.assets)
    assert len({(one.asset, one.metric) for one in city.series}) == len(city.series)
    for asset in city.assets:
        if asset.kind == "vehicle":
            assert asset.place is None
        else:
            assert asset.zone
            assert asset.place is not None
            assert abs(asset.place.latitude - 46.77) < 0.05
            assert abs(asset.place.longitude - 23.59) < 0.1


def test_edges_hang_twenty_lamps_on_each_feeder(city: City) -> None:
    assert Counter(parent for parent, _ in edges_of(city)) == {"tank-1": 1, "feeder-1": 20, "feeder-2": 20}
    assert {name for edge in edges_of(city) for name in edge} <= {asset.name for asset in city.assets}


@pytest.mark.parametrize(
    ("name", "seed", "time_zone", "complaint"),
    [
        ("huge", 1, "Europe/Bucharest", "there is no simulated city 'huge'"),
        ("tiny", -1, "Europe/Bucharest", "seed"),
        ("tiny", 1, "Europe/Atlantis", "'Europe/Atlantis' is not an IANA time zone"),
    ],
)
def test_a_city_that_cannot_be_built_is_refused(name: str, seed: int, time_zone: str, complaint: str) -> None:
    with pytest.raises(PermanentError, match=complaint):
        build_city(name, seed=seed, time_zone=time_zone)


def test_buses_are_named_as_the_decoder_names_them() -> None:
    assert FLEET[0].name == "hsl:12/1124"


@pytest.mark.parametrize("line", range(len(LINES)))
def test_a_round_trip_obeys_the_laws_of_motion(line: int) -> None:
    profile = profile_of(line)
    half = profile.cycle_s // 2
    assert 86_400 % profile.cycle_s == 0
    assert profile.odometer[0] == 0.0
    assert profile.odometer.max() * 0.999 <= profile.speed[:half].sum() <= profile.odometer.max() * 1.001
    assert (profile.odometer_step <= profile.speed + 0.6).all()
    assert profile.speed[profile.stop > 0].max() == 0.0
    assert profile.door_open[profile.speed > 0].max() == 0.0
    assert profile.latitude[half - 1] == pytest.approx(profile.latitude[half])
    assert profile.longitude[-1] == pytest.approx(profile.longitude[0])
    assert len(profile.arrivals) == len(profile.departures) == 2 * (len(set(profile.next_stop.tolist())) // 2 - 1)
