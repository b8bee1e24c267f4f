from datetime import timedelta

from core.quality import QualityFlag
from store.database import Connection
from tests.engine.town import BEGIN, LIVE, InPlace, engine_for, founded, live, normal

HOURS = timedelta(hours=1)


def test_an_instrument_that_says_only_impossible_things_counts_as_silent(
    connection: Connection, fitter: InPlace
) -> None:
    assets = ["north", "south", "west"]
    town = founded(connection, assets, normal(assets, BEGIN, LIVE))
    engine = engine_for(town, fitter)
    values = normal(assets, LIVE, LIVE + 3 * HOURS)
    impossible = {at: 1e9 for at in values if at[0].asset == "north"}
    town.write(impossible, QualityFlag.BAD)
    live(town, engine, {at: v for at, v in values.items() if at not in impossible}, LIVE, LIVE + 3 * HOURS)
    (told,) = town.anomalies("north")
    assert (told.anomaly.detector, told.anomaly.kind.value, told.anomaly.since) == ("silence", "sensor", LIVE)
    assert not town.anomalies("south")
