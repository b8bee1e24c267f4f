from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from core.asset import Asset, Domain, Series
from core.quality import QualityFlag
from engine import fitting, loop
from engine.asset_model import AssetModel, FitTask
from engine.loop import Engine
from store.database import Connection
from store.registry import add_assets, add_series, all_series
from tests.engine.town import (
    BEGIN,
    LIVE,
    RULES,
    SETTINGS,
    STEP,
    InPlace,
    Key,
    Scores,
    Told,
    Town,
    Values,
    engine_for,
    founded,
    live,
    normal,
    story,
    times,
    with_shift,
    with_stuck,
)

HOURS = timedelta(hours=1)
FLOW = Key("north", "flow")
END = LIVE + 12 * HOURS
FAULT = (LIVE + 3 * HOURS, LIVE + 5 * HOURS)


def only(told: list[Told], detector: str) -> Told:
    (found,) = [line for line in told if line.detector == detector]
    return found


def test_a_fault_is_found_explained_and_ends(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north", "south"], normal(["north", "south"], BEGIN, LIVE))
    engine = engine_for(town, fitter)
    live(town, engine, faulty(["north", "south"]), LIVE, END)
    assert not story(town, "south")
    assert {line.detector for line in story(town, "north")} <= {"prophet_band", "group_pca"}
    found = only(story(town, "north"), "prophet_band")
    assert (found.metric, found.kind) == ("flow", "asset")
    assert FAULT[0] <= found.since <= FAULT[0] + 2 * STEP
    assert FAULT[1] <= found.last_at <= FAULT[1] + 2 * STEP
    assert found.ended_at == found.last_at + STEP
    assert found.p_value < RULES.open_below
    ((metric, observed, upper, share),) = found.evidence
    assert (metric, share) == ("flow", 1.0)
    assert observed is not None
    assert upper is not None
    assert observed > upper


def faulty(assets: Sequence[str]) -> Values:
    """Return twelve hours in which the north's flow is too high for two."""
    return with_shift(normal(assets, LIVE, END), FLOW, *FAULT, 30.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_arrival_does_not_matter_once_all_is_in(
    connection: Connection, fitter: InPlace, seed: int
) -> None:
    twins = ["north", "twin"]
    town = founded(connection, twins, normal(twins, BEGIN, LIVE, twins=True))
    engine = engine_for(town, fitter)
    values = normal(twins, LIVE, END, twins=True)
    for name in twins:
        values = with_shift(values, Key(name, "flow"), *FAULT, 30.0)
        values = with_stuck(values, Key(name, "level"), LIVE + 6 * HOURS, LIVE + 9 * HOURS)
    deliver_late(town, engine, values, np.random.default_rng(seed))
    assert_same_scores(town.scores("twin"), town.scores("north"))
    assert {line.detector for line in story(town, "north")} >= {"prophet_band", "flat_line"}
    assert story(town, "twin") == story(town, "north")


def assert_same_scores(found: Scores, expected: Scores) -> None:
    assert found.keys() == expected.keys()
    assert list(found.values()) == [pytest.approx(expected[key], rel=1e-9) for key in found]


def deliver_late(town: Town, engine: Engine, values: Values, random: np.random.Generator) -> None:
    """Deliver the twin's readings in another order: most at once, some within an hour, some after many."""
    arrival = {
        (key, time): time + (STEP * int(random.choice([0, 1, 3, 40, 90])) if key.asset == "twin" else 0 * STEP)
        for key, time in values
    }
    for now in times(LIVE, max(arrival.values())):
        part = {at: values[at] for at, due in arrival.items() if due == now}
        if part:
            town.write(part)
        town.clock.time = now + timedelta(seconds=30)
        engine.round()
    engine.round()


@pytest.fixture
def reference(other_connection: Connection, fitter: InPlace) -> Town:
    """Return a town that was judged by one engine from beginning to end."""
    town = founded(other_connection, ["north"], normal(["north"], BEGIN, LIVE))
    live(town, engine_for(town, fitter), faulty(["north"]), LIVE, END)
    return town


@pytest.mark.parametrize(
    ("stopped", "started"),
    [(4 * HOURS, 4 * HOURS), (2 * HOURS, 2.5 * HOURS), (2 * HOURS, 10 * HOURS)],
    ids=["at once", "after a while", "after more than is held"],
)
def test_a_restart_changes_nothing(
    connection: Connection, fitter: InPlace, reference: Town, stopped: timedelta, started: timedelta
) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    values = faulty(["north"])
    live(town, engine_for(town, fitter), values, LIVE, LIVE + stopped)
    town.write({at: value for at, value in values.items() if LIVE + stopped < at[1] <= LIVE + started})
    live(town, engine_for(town, fitter), values, LIVE + started, END)
    assert_same_scores(town.scores("north"), reference.scores("north"))
    assert story(town, "north") == story(reference, "north")


def test_a_restart_makes_the_same_model_again(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    live(town, engine_for(town, fitter), normal(["north"], LIVE, LIVE + HOURS), LIVE, LIVE + HOURS)
    engine_for(town, fitter)
    rows = connection.execute("select version, trained_from, trained_until from model").fetchall()
    assert [(begin, end) for _, begin, end in rows] == [(BEGIN + STEP, LIVE)]


def test_models_outlive_the_engine_within_a_process(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    models: dict[int, AssetModel] = {}
    engine_for(town, fitter, models=models).round()
    fitter.fitted = 0
    engine_for(town, fitter, models=models).round()
    assert fitter.fitted == 0
    engine_for(town, fitter).round()
    assert fitter.fitted == 1


@pytest.mark.parametrize("after_writing", [False, True])
def test_a_crash_between_rounds_loses_nothing(
    connection: Connection, fitter: InPlace, reference: Town, monkeypatch: pytest.MonkeyPatch, after_writing: bool
) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    values = faulty(["north"])
    for begin in (LIVE, LIVE + 4 * HOURS, LIVE + 8 * HOURS):
        engine = engine_for(town, fitter)
        live(town, engine, values, begin, begin + 3 * HOURS)
        with monkeypatch.context() as patch:
            patch.setattr(loop, "move_cursor" if after_writing else "write_scores", crash)
            with pytest.raises(CrashError):
                live(town, engine, values, begin + 3 * HOURS, begin + 4 * HOURS)
        lost = {at: v for at, v in values.items() if begin + 3 * HOURS + 3 * STEP < at[1] <= begin + 4 * HOURS}
        town.write(lost)
    engine_for(town, fitter).round()
    assert_same_scores(town.scores("north"), reference.scores("north"))
    assert story(town, "north") == story(reference, "north")


class CrashError(Exception):
    pass


def crash(*_: object) -> None:
    raise CrashError


def test_bad_readings_are_not_judged(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    engine = engine_for(town, fitter)
    values = normal(["north"], LIVE, LIVE + 3 * HOURS)
    wrong = {at: 1e12 for at in values if at[0] == FLOW and at[1] <= LIVE + HOURS}
    town.write(wrong, QualityFlag.BAD)
    live(town, engine, {at: v for at, v in values.items() if at not in wrong}, LIVE, LIVE + 3 * HOURS)
    scored = {time for metric, _, time in town.scores("north") if metric == "flow"}
    assert min(scored) > LIVE + HOURS
    assert {time for metric, _, time in town.scores("north") if metric == ""} >= set(times(LIVE + STEP, LIVE + HOURS))
    assert not story(town, "north")


def test_late_readings_take_an_anomaly_back_visibly(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    engine = engine_for(town, fitter)
    end = LIVE + 2 * HOURS
    values = normal(["north"], LIVE, end)
    live(town, engine, with_shift(values, FLOW, end - 3 * STEP, end, 40.0), LIVE, end)
    assert story(town, "north")
    # Within each step, a reading that is as far below as the other was above.
    opposite = {(key, time - STEP / 2): v - 40.0 for (key, time), v in values.items() if key == FLOW}
    town.write({at: v for at, v in opposite.items() if at[1] > end - 4 * STEP})
    engine.round()
    assert not story(town, "north")
    assert {k.anomaly.retracted for k in town.anomalies("north")} == {True}


def test_a_silent_asset_is_one_anomaly_of_its_instrument_until_it_speaks(
    connection: Connection, fitter: InPlace
) -> None:
    assets = ["north", "south", "west"]
    town = founded(connection, assets, normal(assets, BEGIN, LIVE))
    engine = engine_for(town, fitter)
    values = normal(assets, LIVE, LIVE + 4 * HOURS)
    quiet = {at: v for at, v in values.items() if at[0].asset == "north" and at[1] <= LIVE + 3 * HOURS}
    live(town, engine, {at: v for at, v in values.items() if at not in quiet}, LIVE, LIVE + 3 * HOURS)
    (told,) = town.anomalies("north")
    assert (told.anomaly.detector, told.anomaly.kind.value) == ("silence", "sensor")
    assert (told.anomaly.since, told.anomaly.ended_at) == (LIVE, None)
    engine = engine_for(town, fitter)
    live(town, engine, {at: v for at, v in values.items() if at not in quiet}, LIVE + 3 * HOURS, LIVE + 4 * HOURS)
    (ended,) = town.anomalies("north")
    assert ended.anomaly.ended_at is not None
    assert LIVE + 3 * HOURS <= ended.anomaly.ended_at <= LIVE + 3 * HOURS + 3 * STEP
    assert not town.anomalies("south")


def test_a_feed_that_falls_silent_is_no_fault_of_its_assets(connection: Connection, fitter: InPlace) -> None:
    assets = ["north", "south", "west"]
    town = founded(connection, assets, normal(assets, BEGIN, LIVE))
    engine = engine_for(town, fitter)
    for hour in range(1, 6):
        town.clock.time = LIVE + hour * HOURS
        engine.round()
    only_one = {at: v for at, v in normal(assets, LIVE, LIVE + 6 * HOURS).items() if at[0].asset == "west"}
    live(town, engine, only_one, LIVE + 5 * HOURS, LIVE + 6 * HOURS)
    assert not [a for name in assets for a in town.anomalies(name)]


def test_a_silent_asset_without_judged_series_is_found_too(connection: Connection, fitter: InPlace) -> None:
    assets = ["north", "south"]
    town = founded(connection, assets, normal(assets, BEGIN, LIVE))
    asset_id = add_assets(connection, [Asset("meter", Domain.WATER, "dma")])["meter"]
    add_series(connection, [(asset_id, Series("meter", "odometer", "m", 300.0))])
    town.asset_ids["meter"] = asset_id
    town.series_ids[Key("meter", "odometer")] = all_series(connection, asset_id)[0].series_id
    town.write({(Key("meter", "odometer"), LIVE): 1.0})
    engine = engine_for(town, fitter)
    live(town, engine, normal(assets, LIVE, LIVE + 2 * HOURS), LIVE, LIVE + 2 * HOURS)
    assert [k.anomaly.detector for k in town.anomalies("meter")] == ["silence"]


def test_a_device_that_appears_is_judged_once_it_has_history(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    engine = engine_for(town, fitter)
    town.register(["east"])
    town.write(normal(["east"], BEGIN, LIVE))
    live(town, engine, normal(["north", "east"], LIVE, LIVE + HOURS), LIVE, LIVE + HOURS)
    trained_until = max(task.history.times[-1].item() for tasks in fitter.ordered for task in tasks)
    scored = {time for _, _, time in town.scores("east")}
    assert min(scored).replace(tzinfo=None) == trained_until + STEP
    assert max(scored) == LIVE + HOURS


def test_an_asset_that_gets_another_series_goes_on_being_judged(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["south"], normal(["south"], BEGIN, LIVE))
    town.register(["north"], ["level"])
    both = normal(["south", "north"], BEGIN, END)
    part = {at: v for at, v in both.items() if at[0].asset == "north"}
    level = {at: v for at, v in part.items() if at[0].metric == "level"}
    town.write({at: v for at, v in level.items() if at[1] <= LIVE})
    settings = SETTINGS.model_copy(update={"refit_after_h": 100.0})
    engine = engine_for(town, fitter, settings)
    live(town, engine, level, LIVE, LIVE + HOURS)
    # Named so that it comes before the level in the registry's order.
    town.register(["north"], ["flow"])
    live(town, engine, part, LIVE + HOURS, LIVE + 3 * HOURS)
    assert {time for metric, _, time in town.scores("north") if metric == "level"} == set(times(LIVE, LIVE + 3 * HOURS))
    assert not story(town, "north")


def test_a_missing_member_does_not_silence_the_group(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    engine = engine_for(town, fitter)
    values = {at: v for at, v in normal(["north"], LIVE, LIVE + 2 * HOURS).items() if at[0] != FLOW}
    live(town, engine, values, LIVE, LIVE + 2 * HOURS)
    # The last step is not over: the flow may still come.
    whole = set(times(LIVE, LIVE + 2 * HOURS - STEP))
    assert {time for _, detector, time in town.scores("north") if detector == "group_pca"} == whole
    assert "flow" not in {metric for metric, _, time in town.scores("north") if time > LIVE + STEP}


DAILY = SETTINGS.model_copy(update={"refit_after_h": 6.0, "refit_within_h": 6.0})


def test_a_model_is_fitted_anew_and_its_record_says_on_what(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    live(town, engine_for(town, fitter, DAILY), faulty(["north"]), LIVE, LIVE + 8 * HOURS)
    rows = connection.execute(
        "select model_id, version, detectors, trained_from, trained_until, parameters from model order by model_id"
    ).fetchall()
    assert [row[2] for row in rows] == [["prophet_band", "flat_line", "group_pca"]] * 2
    assert rows[0][3:5] == (BEGIN + STEP, LIVE)
    refit_from, refit_until = rows[1][3:5]
    assert LIVE + 6 * HOURS <= refit_until <= LIVE + 7 * HOURS
    assert refit_until - refit_from == timedelta(days=5) - STEP
    assert {"seed", "step_s", "time_zone", "libraries"} <= rows[1][5].keys()
    used = connection.execute("select model_id, min(time), max(time) from score group by 1 order by 1").fetchall()
    assert [row[0] for row in used] == [rows[0][0], rows[1][0]]
    assert used[1][1] > used[0][2]


def test_a_model_learns_nothing_from_a_fault(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    live(town, engine_for(town, fitter, DAILY), faulty(["north"]), LIVE, LIVE + 8 * HOURS)
    told = only(story(town, "north"), "prophet_band")
    ((task,),) = fitter.ordered
    at = [time.replace(tzinfo=told.since.tzinfo) for time in task.history.times.tolist()]
    left_out = [told.since <= time <= told.last_at for time in at]
    assert sum(left_out) > 20
    assert np.isnan(task.history.values[left_out]).all()
    kept = np.isnan(task.history.values[np.logical_not(left_out)])
    assert kept.mean() < 0.01


def test_a_refit_leaves_what_an_older_model_said(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    settings = DAILY.model_copy(update={"recent_rows": 200})
    engine = engine_for(town, fitter, settings)
    live(town, engine, faulty(["north"]), LIVE, LIVE + 5.75 * HOURS)
    before = [k.anomaly for k in town.anomalies("north")]
    live(town, engine, faulty(["north"]), LIVE + 5.75 * HOURS, LIVE + 9 * HOURS)
    assert fitter.ordered
    assert before
    assert [k.anomaly for k in town.anomalies("north")] == before


def test_a_fit_that_fails_keeps_the_old_model(
    connection: Connection, fitter: InPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    engine = engine_for(town, fitter, DAILY)

    def fail(_: FitTask) -> AssetModel:
        raise ValueError("no fit today")

    monkeypatch.setattr(fitting, "fit_asset", fail)
    live(town, engine, faulty(["north"]), LIVE, LIVE + 9 * HOURS)
    assert len(fitter.ordered) == 3  # once an hour from the sixth on
    assert connection.execute("select count(*) from model").fetchone() == (1,)
    assert max(time for _, _, time in town.scores("north")) == LIVE + 9 * HOURS


def test_nothing_is_judged_on_which_its_model_was_fitted(connection: Connection, fitter: InPlace) -> None:
    town = founded(connection, ["north"], normal(["north"], BEGIN, LIVE))
    settings = SETTINGS.model_copy(update={"catch_up_h": 30.0})
    engine_for(town, fitter, settings).round()
    scored = {time for _, _, time in town.scores("north")}
    assert scored == set(times(LIVE - 30 * HOURS, LIVE))
