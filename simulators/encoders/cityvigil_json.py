"""City Vigil's own JSON, as `docs/formats.md` fixes it."""

from collections.abc import Iterable

import orjson

from core.asset import Asset


def topic_of(asset: Asset) -> str:
    """Return the topic that an asset publishes on."""
    return f"cityvigil/v1/{asset.domain}/{asset.kind}/{asset.name}"


def encode_readings(asset: Asset, time: str, readings: Iterable[tuple[str, float | None, str]]) -> tuple[str, bytes]:
    """Encode what an asset measured at one time.

    Parameters
    ----------
    asset
        Its zone and place are stated if it has any.
    time
        RFC 3339, with an offset.
    readings
        Metric, value and UCUM unit; None for a sample that is missing.

    Returns
    -------
    Topic and payload.
    """
    body: dict[str, object] = {"time": time}
    if asset.zone:
        body["zone"] = asset.zone
    if asset.place is not None:
        body["place"] = {"latitude": asset.place.latitude, "longitude": asset.place.longitude}
    body["readings"] = [{"metric": metric, "value": value, "unit": unit} for metric, value, unit in readings]
    return topic_of(asset), orjson.dumps(body)
