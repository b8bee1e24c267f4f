"""Road traffic, and vehicles on lines that drive in it: the transport department of a simulated city.

From `scale` (how large), `streets` and `lines` (what there is), `hours` and `demand` (who is on the way), `loading`
(queues), `timetable`, `runs` and `tracks` (vehicles), `breaks` (faults), to `counters`, `vehicles` and `service` (what
is measured and reported) and `department` (the whole).
"""

from simulators.traffic.breaks import BREAKS, LASTS_H
from simulators.traffic.department import Traffic, TrafficError, build_traffic
from simulators.traffic.scale import MEDIUM, SCALES, SMALL, TINY, Scale
from simulators.traffic.service import CALL
from simulators.traffic.tracks import Moments

__all__ = [
    "BREAKS",
    "CALL",
    "LASTS_H",
    "MEDIUM",
    "SCALES",
    "SMALL",
    "TINY",
    "Moments",
    "Scale",
    "Traffic",
    "TrafficError",
    "build_traffic",
]
