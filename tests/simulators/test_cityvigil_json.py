import orjson

from core.asset import Asset, Domain, Place
from simulators.encoders.cityvigil_json import encode_readings


def test_readings_are_encoded_as_the_format_says() -> None:
    asset = Asset("dma-1", Domain.WATER, "dma", Place(46.5, 23.5), "Grigorescu")
    topic, payload = encode_readings(asset, "2026-11-09T08:00:00Z", [("flow", 80.5, "m3/h"), ("level", None, "m")])
    assert topic == "cityvigil/v1/water/dma/dma-1"
    assert orjson.loads(payload) == {
        "time": "2026-11-09T08:00:00Z",
        "zone": "Grigorescu",
        "place": {"latitude": 46.5, "longitude": 23.5},
        "readings": [
            {"metric": "flow", "value": 80.5, "unit": "m3/h"},
            {"metric": "level", "value": None, "unit": "m"},
        ],
    }


def test_what_is_not_known_of_an_asset_is_not_stated() -> None:
    _, payload = encode_readings(Asset("x", Domain.WATER, "dma"), "2026-11-09T08:00:00Z", [])
    assert orjson.loads(payload) == {"time": "2026-11-09T08:00:00Z", "readings": []}
