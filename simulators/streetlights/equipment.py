"""What stands there: kinds of lamps and their age, cables' resistance, photocells, and how good the meters are."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulators.noise import FloatArray, day_generator
from simulators.streetlights.layout import PHASES, IntArray, Layout, layout_of
from simulators.streetlights.scale import Scale

NOMINAL_V = 230.0
STANDBY_POWER_FACTOR = 0.6
CABINET_W = 7.0
"""What a cabinet's controller and meter take."""

FEEDER_W = 25.0
"""What a feeder's switchgear takes."""


@dataclass(frozen=True, slots=True)
class LampType:
    """A kind of lamp. The catalogue is invented; its steps are those that road lighting is sold in.

    Attributes
    ----------
    power_w
        Rated power.
    standby_w
        What its driver takes when dark.
    power_factor
        At full power.
    change_per_kh
        Relative change of power per 1,000 burning hours: below 0 for a driver of constant voltage, above 0 for one
        that makes up for the light that its diodes lose.
    share
        Of all streets.
    """

    power_w: float
    standby_w: float
    power_factor: float
    change_per_kh: float
    share: float


CATALOGUE: tuple[LampType, ...] = (
    LampType(27.0, 0.25, 0.940, -0.0012, 0.15),
    LampType(36.0, 0.30, 0.950, -0.0012, 0.25),
    LampType(51.0, 0.30, 0.955, 0.0010, 0.25),
    LampType(72.0, 0.35, 0.965, 0.0010, 0.20),
    LampType(96.0, 0.40, 0.970, -0.0010, 0.10),
    LampType(144.0, 0.50, 0.975, -0.0010, 0.05),
)

BURNING_HOURS_PER_DAY = 11.2
"""Of a year of dusk-to-dawn burning: 4,100 hours."""

_LAMP_SPREAD = 0.02
_FIRST_DAY, _LAST_DAY = 16_800, 19_700  # put up between 2015-12-31 and 2023-12-09
_LIFE_H = (60_000.0, 100_000.0)
_CABLE_OHM = 0.055  # 32 m of 16 mm2 aluminium, one conductor
_FEEDER_DROP_V = (1.8, 3.4)  # of the nearest and the farthest cabinet at full load: laid out for less than 1.5 %
_ON_DEG, _ON_SPREAD_DEG = -2.4, 0.5
_HYSTERESIS_DEG = (0.3, 1.0)
_SMART_SCHEDULES = 2
_FEEDER_GAIN, _CABINET_GAIN, _LAMP_GAIN = 0.001, 0.002, 0.003
_FEEDER_OFFSET_V = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Equipment:
    """Properties that do not change from day to day; all arrays are read-only.

    Attributes
    ----------
    rated_w, standby_w, power_factor, change_per_kh
        Shape (lamps,), see `LampType`; `rated_w` is each lamp's own when new.
    put_up_day, life_days
        Shape (lamps,): since when it hangs, days since 1970-01-01; after how many days a new one takes its place.
    cable_drop_v
        Shape (lamps,): voltage lost from the cabinet to the lamp when all lamps burn undimmed.
    feeder_drop_v
        Shape (cabinets,): voltage lost from the feeder to the cabinet at full load.
    on_deg, off_deg
        Shape (cabinets,): the sun's elevation at which the photocell switches under a clear sky.
    schedule_of_cabinet, schedule_of_lamp
        Shapes (cabinets,), (lamps,): number of the dimming schedule.
    feeder_gain, cabinet_gain, lamp_gain
        Shape (n,): relative error of each power meter.
    feeder_offset_v
        Shape (feeders,): how much a feeder's voltage differs from the others'.
    """

    rated_w: FloatArray
    standby_w: FloatArray
    power_factor: FloatArray
    change_per_kh: FloatArray
    put_up_day: IntArray
    life_days: IntArray
    cable_drop_v: FloatArray
    feeder_drop_v: FloatArray
    on_deg: FloatArray
    off_deg: FloatArray
    schedule_of_cabinet: IntArray
    schedule_of_lamp: IntArray
    feeder_gain: FloatArray
    cabinet_gain: FloatArray
    lamp_gain: FloatArray
    feeder_offset_v: FloatArray

    def power_w(self, day: int) -> FloatArray:
        """Return what each lamp takes undimmed at its age; shape (lamps,)."""
        hours = np.maximum(day - self.put_up_day, 0) % self.life_days * BURNING_HOURS_PER_DAY
        return self.rated_w * (1.0 + self.change_per_kh * hours / 1000.0)


def _cable_drop_v(layout: Layout, power_w: FloatArray, power_factor: FloatArray) -> FloatArray:
    """Return the voltage lost up to each lamp: every span carries the current of all lamps of the phase behind it."""
    current = (power_w / (NOMINAL_V * power_factor)).reshape(-1, layout.scale.lamps_per_cable)
    phase = layout.phase_of_lamp.reshape(current.shape)
    drop = np.zeros_like(current)
    for number in range(PHASES):
        mine = np.where(phase == number, current, 0.0)
        behind = np.cumsum(mine[:, ::-1], axis=1)[:, ::-1]
        drop += np.where(phase == number, np.cumsum(_CABLE_OHM * behind, axis=1), 0.0)
    return drop.reshape(-1)


def _feeder_drop_v(scale: Scale) -> FloatArray:
    """Return the voltage lost up to each cabinet: cabinets lie on both sides, the load behind each span shrinks."""
    order = np.arange(scale.cabinets_per_feeder) // 2 + 1
    spans = order.max()
    lost = np.cumsum(np.arange(spans, 0, -1.0))
    near, far = _FEEDER_DROP_V
    return np.tile(near + (far - near) * lost[order - 1] / lost[-1], scale.feeders)


def _lamp_properties(scale: Scale, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Return what `Equipment` says of each lamp's kind; all lamps of a cable are of one kind."""
    shares = [lamp.share for lamp in CATALOGUE]
    kind_of_cable = rng.choice(len(CATALOGUE), scale.cabinets * scale.cables_per_cabinet, p=shares)
    kind = np.repeat(kind_of_cable, scale.lamps_per_cable)
    rated, standby, factor, change = np.array(
        [(each.power_w, each.standby_w, each.power_factor, each.change_per_kh) for each in CATALOGUE]
    ).T[:, kind]
    return {
        "rated_w": rated * (1.0 + _LAMP_SPREAD * np.clip(rng.standard_normal(scale.lamps), -3, 3)),
        "standby_w": standby * rng.uniform(0.85, 1.15, scale.lamps),
        "power_factor": factor + rng.uniform(-0.005, 0.005, scale.lamps),
        "change_per_kh": change * rng.uniform(0.7, 1.3, scale.lamps),
    }


def _photocells(scale: Scale, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the sun's elevation at which each photocell switches on, and off: in more light, so as not to waver."""
    on_deg = _ON_DEG + _ON_SPREAD_DEG * np.clip(rng.standard_normal(scale.cabinets), -2, 2)
    return on_deg, on_deg + rng.uniform(*_HYSTERESIS_DEG, scale.cabinets)


def _schedules(layout: Layout, count: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return the schedule of each cabinet, and of each lamp: its cabinet's, or a smart lamp's own."""
    scale, first_smart = layout.scale, count - _SMART_SCHEDULES
    of_cabinet = rng.integers(0, first_smart, scale.cabinets)
    of_lamp = of_cabinet[layout.cabinet_of_lamp]
    of_lamp[layout.smart] = rng.integers(first_smart, count, scale.smart_lamps)
    return of_cabinet, of_lamp


@lru_cache(maxsize=4)
def equipment_of(scale: Scale, seed: int, schedules: int) -> Equipment:
    """Return what stands in a street lighting; of the dimming schedules the last two are for smart lamps."""
    layout = layout_of(scale, seed)
    rng = day_generator(seed, "streetlights/equipment", 0)
    of_lamps = _lamp_properties(scale, rng)
    on_deg, off_deg = _photocells(scale, rng)
    of_cabinet, of_lamp = _schedules(layout, schedules, rng)
    equipment = Equipment(
        **of_lamps,
        put_up_day=rng.integers(_FIRST_DAY, _LAST_DAY, scale.lamps),
        life_days=(rng.uniform(*_LIFE_H, scale.lamps) / BURNING_HOURS_PER_DAY).astype(np.int64),
        cable_drop_v=_cable_drop_v(layout, of_lamps["rated_w"], of_lamps["power_factor"]),
        feeder_drop_v=_feeder_drop_v(scale),
        on_deg=on_deg,
        off_deg=off_deg,
        schedule_of_cabinet=of_cabinet,
        schedule_of_lamp=of_lamp,
        feeder_gain=_FEEDER_GAIN * rng.standard_normal(scale.feeders),
        cabinet_gain=_CABINET_GAIN * rng.standard_normal(scale.cabinets),
        lamp_gain=_LAMP_GAIN * rng.standard_normal(scale.lamps),
        feeder_offset_v=rng.uniform(-_FEEDER_OFFSET_V, _FEEDER_OFFSET_V, scale.feeders),
    )
    for name in Equipment.__slots__:
        getattr(equipment, name).flags.writeable = False
    return equipment
