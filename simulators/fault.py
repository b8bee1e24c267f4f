"""A fault: what breaks, where and for how long; also its label, by which detection is judged."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from core.errors import PermanentError
from simulators.rhythm import to_us


class FaultKind(StrEnum):
    """What can break, by department: water, transport, lighting; `effect` says what each does."""

    BURST = "burst"
    BACKGROUND_LEAK = "background_leak"
    STUCK_VALVE = "stuck_valve"
    PUMP_LOSS = "pump_loss"
    TANK_OVERFLOW = "tank_overflow"
    CONTAMINATION = "contamination"
    METER_STOPPED = "meter_stopped"
    METER_DRIFT = "meter_drift"
    PRESSURE_STUCK = "pressure_stuck"
    PRESSURE_OFFSET = "pressure_offset"
    CLOCK_WRONG = "clock_wrong"

    BUS_BREAKDOWN = "bus_breakdown"
    GPS_FREEZE = "gps_freeze"
    GPS_JUMP = "gps_jump"
    ROAD_BLOCKED = "road_blocked"
    SIGNAL_FAILURE = "signal_failure"
    DETOUR = "detour"
    COUNTER_DEAD = "counter_dead"
    COUNTER_DOUBLE = "counter_double"
    FEED_LATE = "feed_late"
    PRACTICE_RUN = "practice_run"

    LAMP_OUT = "lamp_out"
    GROUP_OUT = "group_out"
    FEEDER_LOSS = "feeder_loss"
    DAY_BURNER = "day_burner"
    NO_SWITCH_ON = "no_switch_on"
    FLICKER = "flicker"
    POWER_FACTOR = "power_factor"
    CABLE_THEFT = "cable_theft"
    PHOTOCELL_DRIFT = "photocell_drift"
    METER_STUCK = "meter_stuck"
    MAINTENANCE_BURN = "maintenance_burn"

    @property
    def effect(self) -> str:
        """What it does, in a sentence."""
        return EFFECTS[self]

    @property
    def is_planned(self) -> bool:
        """Whether somebody wants it: it shows as a fault does, and is none."""
        return self is FaultKind.MAINTENANCE_BURN


EFFECTS: Mapping[FaultKind, str] = MappingProxyType(
    {
        FaultKind.BURST: "A main breaks: more inflow, less pressure, most of all near the break.",
        FaultKind.BACKGROUND_LEAK: "A leak grows over a day.",
        FaultKind.STUCK_VALVE: "A valve stays nearly shut: less pressure behind it.",
        FaultKind.PUMP_LOSS: "A pump stops although its tank needs water.",
        FaultKind.TANK_OVERFLOW: "A level switch fails: the pump goes on and the tank runs over.",
        FaultKind.CONTAMINATION: "Foreign water: less chlorine, more turbidity.",
        FaultKind.METER_STOPPED: "A flow meter shows nothing of what flows.",
        FaultKind.METER_DRIFT: "A flow meter shows more and more, or less and less, of what flows.",
        FaultKind.PRESSURE_STUCK: "A pressure sensor repeats its value.",
        FaultKind.PRESSURE_OFFSET: "A pressure sensor is off by a constant.",
        FaultKind.CLOCK_WRONG: "An instrument's clock is off: what it shows belongs to another time.",
        FaultKind.BUS_BREAKDOWN: "A vehicle stands still and reports on; later another takes over under its name.",
        FaultKind.GPS_FREEZE: "A vehicle repeats its position while it drives on.",
        FaultKind.GPS_JUMP: "A vehicle's position jumps far away and back.",
        FaultKind.ROAD_BLOCKED: "A road segment lets hardly any traffic through.",
        FaultKind.SIGNAL_FAILURE: "Traffic signals fail: less gets through a junction.",
        FaultKind.DETOUR: "A line leaves out part of its way and takes longer.",
        FaultKind.COUNTER_DEAD: "A traffic counter shows no vehicle.",
        FaultKind.COUNTER_DOUBLE: "A traffic counter counts each vehicle twice.",
        FaultKind.FEED_LATE: "What a vehicle sends arrives a minute late.",
        FaultKind.PRACTICE_RUN: "A vehicle in training reports itself on a live line.",
        FaultKind.LAMP_OUT: "A lamp stays dark at night.",
        FaultKind.GROUP_OUT: "All lamps of a cabinet's phase stay dark.",
        FaultKind.FEEDER_LOSS: "A feeder and all behind it are without supply.",
        FaultKind.DAY_BURNER: "A lamp burns by day.",
        FaultKind.NO_SWITCH_ON: "A cabinet does not switch on in the evening.",
        FaultKind.FLICKER: "A lamp goes on and off.",
        FaultKind.POWER_FACTOR: "A lamp's capacitor fails: the same light, more current.",
        FaultKind.CABLE_THEFT: "The cable is cut behind a lamp: all lamps after it are dark and silent.",
        FaultKind.PHOTOCELL_DRIFT: "A cabinet's photocell ages: it switches earlier or later than it should.",
        FaultKind.METER_STUCK: "A meter repeats its value.",
        FaultKind.MAINTENANCE_BURN: "Lamps burn by day because somebody works on them: planned, no fault.",
    }
)
"""What each kind does, for labels and for people."""


class FaultError(PermanentError):
    """A fault does not fit the city."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks, and for how long.

    Attributes
    ----------
    kind
        What breaks.
    asset
        Name of the asset.
    start, end
        From when (inclusive) to when (exclusive), with an offset from UTC.
    magnitude
        1 for an ordinary one; scales what a burst or a leak lets out, means nothing to the others.
    """

    kind: FaultKind
    asset: str
    start: datetime
    end: datetime
    magnitude: float = 1.0

    def to_json(self) -> str:
        """Return the fault as one line of JSON, without the line's end."""
        record = {
            "kind": self.kind.value,
            "asset": self.asset,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "magnitude": self.magnitude,
        }
        return json.dumps(record, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> "Fault":
        """Read a fault back.

        Raises
        ------
        FaultError
            If the line is no such record; whether it fits a city is `check_fault`'s to say.
        """
        try:
            record = json.loads(line)
            if not isinstance(record, dict) or not isinstance(record["asset"], str):
                raise FaultError("a fault is an object with kind, asset, start, end and magnitude")
            start, end = (datetime.fromisoformat(record[key]) for key in ("start", "end"))
            return cls(FaultKind(record["kind"]), record["asset"], start, end, float(record.get("magnitude", 1.0)))
        except KeyError as exc:
            raise FaultError(f"the fault's {exc.args[0]} is missing") from exc
        except (ValueError, TypeError) as exc:
            raise FaultError(f"not a fault: {exc}") from exc


def span_us(fault: Fault) -> tuple[int, int]:
    """Return start and end in microseconds since 1970-01-01 UTC."""
    return to_us(fault.start), to_us(fault.end)


def active(fault: Fault, times_us: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return at which of the times, in microseconds since 1970-01-01 UTC, a fault holds."""
    start_us, end_us = span_us(fault)
    return (times_us >= start_us) & (times_us < end_us)
