"""A reading: one value of one series at one event time."""

from datetime import datetime
from typing import NamedTuple

from core.quality import QualityFlag


class DecodedReading(NamedTuple):
    """What a decoder reads out of a message, before the registry has named its series.

    Attributes
    ----------
    device
        Who measured, in the words of the feed (`hsl:18/1029`).
    metric
        What was measured (`speed`); a series is one metric of one asset.
    value
        Finite, in `unit`.
    unit
        UCUM code; empty where the message does not say it and no configuration does.
    time
        Event time, in UTC.
    """

    device: str
    metric: str
    value: float
    unit: str
    time: datetime


class Reading(NamedTuple):
    """One row of the store.

    Attributes
    ----------
    series_id
        The store's number of the series.
    time
        Event time, in UTC. Series and event time together identify a reading.
    value
        In the series' own unit; never NaN, never infinite.
    quality
        QARTOD flag as far as it could be told on arrival.
    received_at
        Arrival time, in UTC.
    """

    series_id: int
    time: datetime
    value: float
    quality: QualityFlag
    received_at: datetime
