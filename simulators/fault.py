"""A fault: what breaks, where and for how long; also its label, by which detection is judged."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from core.errors import PermanentError
from simulators.rhythm import to_us


class FaultKind(StrEnum):
    """What can break, by department."""

    BURST = "burst"
    """A main breaks: more inflow, less pressure, most of all near the break."""
    BACKGROUND_LEAK = "background_leak"
    """A leak grows over a day."""
    STUCK_VALVE = "stuck_valve"
    """A valve stays nearly shut: less pressure behind it."""
    PUMP_LOSS = "pump_loss"
    """A pump stops although its tank needs water."""
    TANK_OVERFLOW = "tank_overflow"
    """A level switch fails: the pump goes on and the tank runs over."""
    CONTAMINATION = "contamination"
    """Foreign water: less chlorine, more turbidity."""
    METER_STOPPED = "meter_stopped"
    """A flow meter shows nothing of what flows."""
    METER_DRIFT = "meter_drift"
    """A flow meter shows more and more, or less and less, of what flows."""
    PRESSURE_STUCK = "pressure_stuck"
    """A pressure sensor repeats its value."""
    PRESSURE_OFFSET = "pressure_offset"
    """A pressure sensor is off by a constant."""
    CLOCK_WRONG = "clock_wrong"
    """An instrument's clock is off: what it shows belongs to another time."""

    BUS_BREAKDOWN = "bus_breakdown"
    """A vehicle stands still and goes on reporting; afterwards another takes over its timetable under its name."""
    GPS_FREEZE = "gps_freeze"
    """A vehicle repeats its position while it drives on."""
    GPS_JUMP = "gps_jump"
    """A vehicle's position jumps far away and back."""
    ROAD_BLOCKED = "road_blocked"
    """A road segment lets hardly any traffic through."""
    SIGNAL_FAILURE = "signal_failure"
    """Traffic signals fail: less gets through a junction."""
    DETOUR = "detour"
    """A line leaves out part of its way and takes longer."""
    COUNTER_DEAD = "counter_dead"
    """A traffic counter shows no vehicle."""
    COUNTER_DOUBLE = "counter_double"
    """A traffic counter counts each vehicle twice."""
    FEED_LATE = "feed_late"
    """What a vehicle sends arrives a minute late."""
    PRACTICE_RUN = "practice_run"
    """A vehicle in training reports itself on a live line."""

    LAMP_OUT = "lamp_out"
    """A lamp stays dark at night."""
    GROUP_OUT = "group_out"
    """All lamps of a cabinet's phase stay dark."""
    FEEDER_LOSS = "feeder_loss"
    """A feeder and all behind it are without supply."""
    DAY_BURNER = "day_burner"
    """A lamp burns by day."""
    NO_SWITCH_ON = "no_switch_on"
    """A cabinet does not switch on in the evening."""
    FLICKER = "flicker"
    """A lamp goes on and off."""
    POWER_FACTOR = "power_factor"
    """A lamp's capacitor fails: the same light, more current."""
    CABLE_THEFT = "cable_theft"
    """The cable is cut behind a lamp: all lamps after it are dark and silent."""
    PHOTOCELL_DRIFT = "photocell_drift"
    """A cabinet's photocell ages: it switches on earlier and off later, or the other way round."""
    METER_STUCK = "meter_stuck"
    """A meter repeats its value."""
    MAINTENANCE_BURN = "maintenance_burn"
    """Lamps burn by day because somebody works on them: planned, no fault."""

    @property
    def is_planned(self) -> bool:
        """Whether somebody wants it: it shows as a fault does, and is none."""
        return self is FaultKind.MAINTENANCE_BURN


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
