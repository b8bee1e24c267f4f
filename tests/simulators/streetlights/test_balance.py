"""Power is in balance from lamps to feeders; current, voltage, power factor and energy belong together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.fault import Fault, FaultKind
from simulators.noise import FloatArray
from simulators.streetlights import SMALL, TINY, Streetlights
from tests.simulators.streetlights.parts import EVENING, MONDAY_DAY, NIGHT, NOON, fault, lights, seen

_FAULTS: tuple[Fault, ...] = (
    fault(FaultKind.LAMP_OUT, "lamp-00003"),
    fault(FaultKind.GROUP_OUT, "cabinet-0001", start_h=15),
    fault(FaultKind.CABLE_THEFT, "lamp-00014", start_h=12),
    fault(FaultKind.POWER_FACTOR, "lamp-00013"),
    fault(FaultKind.DAY_BURNER, "cabinet-0002", start_h=8, hours=3),
    fault(FaultKind.FEEDER_LOSS, "feeder-01", start_h=18, hours=2),
)


def _sums(values: FloatArray, count: int) -> FloatArray:
    total: FloatArray = values.reshape(count, -1, values.shape[1]).sum(axis=1)
    return total


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 30_000), st.sets(st.sampled_from(_FAULTS)))
def test_truth_is_in_balance_at_every_step(day: int, faults: set[Fault]) -> None:
    truth = lights().truth(day, tuple(faults))
    cabinets, feeders = truth.cabinets, truth.feeders
    assert np.allclose(cabinets.power, _sums(truth.lamps.power, 2) + cabinets.loss + cabinets.own, rtol=1e-12)
    assert np.allclose(feeders.power, _sums(cabinets.power, 1) + feeders.loss + feeders.own, rtol=1e-12)
    assert np.all(truth.lamps.power <= truth.lamps.apparent + 1e-9)


def test_broken_or_not_truth_is_in_balance_on_the_day_of_the_faults() -> None:
    truth = lights().truth(MONDAY_DAY, _FAULTS)
    cabinets, feeders = truth.cabinets, truth.feeders
    assert np.allclose(cabinets.power, _sums(truth.lamps.power, 2) + cabinets.loss + cabinets.own, rtol=1e-12)
    assert np.allclose(feeders.power, _sums(cabinets.power, 1) + feeders.loss + feeders.own, rtol=1e-12)


def test_meters_are_in_balance_within_a_percent_and_their_error() -> None:
    city = lights(SMALL)
    shown, truth = city.values(MONDAY_DAY), city.truth(MONDAY_DAY)
    row_of = {(each.asset, each.metric): row for row, each in enumerate(city.series)}
    lamps = shown[[row_of[lamp, "active_power"] for cable in city.cables for lamp in cable]]
    sums = _sums(lamps, SMALL.cabinets)
    cabinets = shown[[row_of[f"cabinet-{number + 1:04d}", "active_power"] for number in range(SMALL.cabinets)]]
    error = cabinets / (sums + truth.cabinets.loss + truth.cabinets.own) - 1.0
    assert np.isfinite(error[:, NIGHT]).sum() > 250
    assert np.nanmax(np.abs(error[:, NIGHT])) < 0.01 + 3 * 0.0045
    assert np.nanmean(np.abs(error[:, NIGHT])) < 0.006


def test_losses_are_those_of_ordinary_cables() -> None:
    truth = lights(SMALL).truth(MONDAY_DAY)
    for node in (truth.cabinets, truth.feeders):
        share = (node.loss / node.power)[:, EVENING]
        assert 0.0005 < share.min() < share.max() < 0.03
    assert truth.lamps.voltage.min() > 207.0  # EN 50160: 230 V less 10 %


def test_voltage_falls_along_the_cable_and_the_feeder() -> None:
    truth = lights(SMALL).truth(MONDAY_DAY)
    along = truth.lamps.voltage[:18].reshape(6, 3, 96)[:, :, EVENING]
    assert np.all(np.diff(along, axis=0) < 0)
    assert np.all(truth.cabinets.voltage[::2][:4] <= truth.feeders.voltage[0])
    assert np.all(np.diff(truth.cabinets.voltage[:8:2, EVENING], axis=0) < 0)


@pytest.mark.parametrize("asset", ["cabinet-0001", "smart"])
def test_power_is_voltage_by_current_by_power_factor(asset: str) -> None:
    city = lights()
    shown = seen(city)
    name = next(each.asset for each in city.series if each.metric == "dimming_level") if asset == "smart" else asset
    power, voltage, current, factor = (
        shown[name, metric] for metric in ("active_power", "voltage", "current", "power_factor")
    )
    resolution = voltage * (0.001 * current + 0.002 * factor)
    assert np.nanmax((np.abs(power - voltage * current * factor) / resolution)[EVENING]) < 1.0
    assert np.nanmean(factor[EVENING]) > 0.9
    assert np.nanmean(factor[NOON]) == pytest.approx(0.6, abs=0.01)


def test_the_energy_counter_counts_from_midnight_and_never_back(tiny: Streetlights) -> None:
    shown = seen(tiny)
    power, energy = shown["cabinet-0001", "active_power"], shown["cabinet-0001", "energy"]
    known = energy[~np.isnan(energy)]
    assert energy[0] == 0
    assert np.all(np.diff(known) >= 0)
    assert known[-1] == pytest.approx(np.nansum(power[1:]) / 4, rel=0.02)


def test_steps_of_other_lengths_show_the_same_night() -> None:
    energy = [float(lights(TINY, step_s=step).truth(MONDAY_DAY).feeders.power.mean()) for step in (300, 900, 3600)]
    assert energy == pytest.approx([energy[0]] * 3, rel=0.01)
