import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.explanation import Explanation, describe_data, explain
from core.anomaly import AnomalyKind, Evidence
from core.quality import QualityFlag
from store.judgements import StoredAnomaly
from store.registry import StoredAsset
from store.series_data import Point
from tests.alerts.making import BUS, CITY, DMA, FEEDER, LAMP, NOON, anomaly, part

SENSOR, ASSET = AnomalyKind.SENSOR, AnomalyKind.ASSET
NONSENSE = re.compile(r"\b(None|nan|inf)\b|\b0 % |e[-+]\d|  |\?|-0\b(?!\.)| ,|\.\.")


def told(asset: StoredAsset, kind: AnomalyKind, *anomalies: StoredAnomaly, zone: str = CITY) -> Explanation:
    explanation = explain(asset, kind, anomalies, zone)
    assert not NONSENSE.search(explanation.text), explanation.text
    return explanation


def pressure(number: int, observed: float) -> Evidence:
    return part(f"pressure_{number}", observed, (48.1, 49.2, 50.5), "m[H2O]", series_id=number + 1, share=0.1)


def test_a_burst_is_told_with_its_place_numbers_band_and_cause() -> None:
    flow = part("flow", 95.0, (40.0, 45.0, 50.0))
    parts = (pressure(6, 39.2), flow, pressure(5, 42.0), pressure(4, 44.0), pressure(3, 45.0), pressure(2, 46.0))
    explanation = told(DMA, ASSET, anomaly(0, None, *parts, p_value=1e-8))
    assert explanation.text == (
        "dma-1 (district metered area, Grigorescu): flow is 95 m³/h where 45 (40 to 50) is expected, 111 % above, "
        "since 14:00 on 10 March. Also pressure 6 low, pressure 5 low, pressure 4 low and 2 more. "
        "It may be a burst or a leak; we are very sure."
    )
    assert explanation.cause == "a burst or a leak"


def test_a_lamp_that_is_out() -> None:
    dark = anomaly(0, None, part("active_power", 0.0, (85.0, 92.0, 99.0), "W"))
    assert told(LAMP, ASSET, dark).text == (
        "lamp-07 (lamp): active power is 0 W where 92 (85 to 99) is expected, 100 % below, since 14:00 on 10 March. "
        "It may be a lamp that is out, or its supply; we are sure."
    )


def test_a_feeder_without_supply() -> None:
    parts = (
        part("voltage", 0.0, (225.0, 230.0, 235.0), "V", 1),
        part("active_power", 0.0, (1_700.0, 1_800.0, 1_900.0), "W", 2),
        part("current", 0.0, (7.5, 8.0, 8.5), "A", 3),
    )
    explanation = told(FEEDER, ASSET, anomaly(0, None, *parts))
    assert "voltage is 0 V where 230 (225 to 235) is expected, 100 % below" in explanation.text
    assert explanation.cause == "a feeder that has lost its supply"


def test_a_late_bus() -> None:
    late = part("schedule_offset", -900.0, (-120.0, -10.0, 100.0), "s")
    explanation = told(BUS, ASSET, anomaly(0, None, late))
    assert explanation.text.startswith(
        "hsl:18/1029 (vehicle): schedule offset is -900 s where -10 (-120 to 100) is expected since 14:00"
    )
    assert explanation.cause == "a delay: congestion or an obstacle"


def test_a_share_is_told_only_where_it_says_something() -> None:
    around_zero = part("schedule_offset", 500.0, (-60.0, 1.0, 60.0), "s")
    assert "%" not in told(BUS, ASSET, anomaly(0, None, around_zero)).text
    hardly = part("voltage", 230.6, (229.5, 230.0, 230.5), "V")
    assert "%" not in told(FEEDER, ASSET, anomaly(0, None, hardly)).text
    next_to_nothing = part("active_power", 95.0, (0.0, 1e-6, 2e-6), "W")
    assert "%" not in told(LAMP, ASSET, anomaly(0, None, next_to_nothing)).text
    nothing = part("active_power", 95.0, (1e-6, 1e-6, 1e-6), "W")
    assert "%" not in told(LAMP, ASSET, anomaly(0, None, nothing)).text


def test_a_band_of_no_width_is_one_number() -> None:
    burning = part("active_power", 95.0, (0.0, 0.0, 0.0), "W")
    assert "active power is 95 W where 0 is expected since" in told(LAMP, ASSET, anomaly(0, None, burning)).text


def test_a_stuck_instrument_is_told_as_an_instrument() -> None:
    stuck = anomaly(0, None, part("pressure_3", 49.2, None, "m[H2O]"), kind=SENSOR, detector="flat_line")
    explanation = told(DMA, SENSOR, stuck)
    assert "pressure 3 has not moved, at 49.2 m H₂O, since 14:00" in explanation.text
    assert explanation.cause == "the instrument rather than what it measures"


def test_silence_names_what_is_missing_and_claims_nothing_of_the_thing() -> None:
    parts = tuple(part(f"pressure_{n}", None, None, "m[H2O]", series_id=n) for n in range(1, 6))
    silent = anomaly(0, None, *parts, kind=SENSOR, detector="silence", p_value=1e-12)
    stuck = anomaly(0, None, part("flow", 45.0, None), kind=SENSOR, detector="flat_line")
    explanation = told(DMA, SENSOR, stuck, silent)
    assert "no usable reading of pressure 1, pressure 2, pressure 3 and 2 more since" in explanation.text
    assert "nobody knows how the thing itself is" in explanation.text
    assert explanation.sureness == "very sure"


def test_signals_that_are_odd_only_together_are_not_told_as_outside_their_band() -> None:
    parts = (part("flow", 46.0, share=0.6), part("level", 3.0, (2.0, 2.9, 4.0), "m", 2, share=0.4))
    text = told(DMA, ASSET, anomaly(0, None, *parts, detector="group_pca")).text
    assert "do not go together as usual, flow (46 m³/h) least of all" in text or "level (3 m) least of all" in text
    assert "expected" not in text


def test_a_signal_without_a_value_never_leads() -> None:
    parts = (part("pressure_1", None, (1.0, 2.0, 3.0), "m[H2O]", 1), part("flow", 90.0, series_id=2))
    assert "flow is 90 m³/h where 45" in told(DMA, ASSET, anomaly(0, None, *parts)).text


def test_an_anomaly_without_evidence_is_still_told() -> None:
    bare = anomaly()
    bare = replace(bare, anomaly=replace(bare.anomaly, evidence=()))
    explanation = told(DMA, ASSET, bare)
    assert "its signals are not as usual since 14:00" in explanation.text
    assert explanation.drivers == ()


@pytest.mark.parametrize(
    ("zone", "hour_utc", "clock"),
    [
        ("Europe/Bucharest", 0, "02:30 on 29 March"),
        ("Europe/Bucharest", 1, "04:30 on 29 March"),  # the night on which 03:00 is left out
        ("America/New_York", 0, "20:30 on 28 March"),
    ],
)
def test_times_are_on_the_city_s_own_clock(zone: str, hour_utc: int, clock: str) -> None:
    stored = anomaly()
    moment = datetime(2026, 3, 29, hour_utc, 30, tzinfo=UTC)
    stored = replace(stored, anomaly=replace(stored.anomaly, since=moment))
    assert f"since {clock}." in told(DMA, ASSET, stored, zone=zone).text


@pytest.mark.parametrize(("p_value", "sureness"), [(2e-5, "fairly sure"), (9e-6, "sure"), (9e-8, "very sure")])
def test_the_rarer_the_surer(p_value: float, sureness: str) -> None:
    assert told(DMA, ASSET, anomaly(p_value=p_value)).sureness == sureness


values = st.floats(-1e6, 1e6)


@given(observed=st.none() | values, edges=st.none() | st.tuples(values, values, values), p_value=st.floats(0, 1))
def test_no_numbers_make_a_nonsensical_sentence(
    observed: float | None, edges: tuple[float, float, float] | None, p_value: float
) -> None:
    band = None if edges is None else tuple(sorted(edges))
    assert band is None or len(band) == 3
    told(DMA, ASSET, anomaly(0, None, part("flow", observed, band), p_value=p_value))


def point(quality: QualityFlag = QualityFlag.GOOD) -> Point:
    return Point(NOON, 1.0, 1.0, 1.0, quality)


@pytest.mark.parametrize(
    ("points", "expected", "sentence"),
    [
        ([], 12, "no reading in the hour"),
        ([point()] * 11, 12, "11 of 12 readings in the hour, none doubtful"),
        (
            [point(), point(QualityFlag.SUSPECT), point(QualityFlag.BAD)],
            0,
            "3 readings in the hour, 2 of them doubtful",
        ),
        ([point(QualityFlag.NOT_EVALUATED)], 12, "1 of 12 readings in the hour, none doubtful"),
    ],
)
def test_the_data_behind_it_is_described(points: list[Point], expected: int, sentence: str) -> None:
    assert describe_data(points, expected) == sentence
