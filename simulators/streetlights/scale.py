"""How large a city's street lighting is."""

from dataclasses import dataclass

from core.errors import PermanentError


class StreetlightsError(PermanentError):
    """Street lighting cannot be built as asked."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many things of each kind there are.

    Attributes
    ----------
    feeders
        Feeders in the city.
    cabinets_per_feeder
        Cabinets that one feeder supplies.
    cables_per_cabinet
        Cables that leave one cabinet, each along one street.
    lamps_per_cable
        Lamps on one cable, in order; neighbours are on different phases.
    smart_share
        Share of the lamps, 0 to 1, that also measure voltage, current and power factor and report how they are dimmed.

    Raises
    ------
    StreetlightsError
        If there is less than one of a kind, or the share is none.
    """

    feeders: int
    cabinets_per_feeder: int
    cables_per_cabinet: int
    lamps_per_cable: int
    smart_share: float = 0.25

    def __post_init__(self) -> None:
        counts = (self.feeders, self.cabinets_per_feeder, self.cables_per_cabinet, self.lamps_per_cable)
        if min(counts) < 1:
            raise StreetlightsError("street lighting has at least one feeder, cabinet, cable and lamp")
        if not 0.0 <= self.smart_share <= 1.0:
            raise StreetlightsError("the share of smart lamps is 0 to 1")

    @property
    def cabinets(self) -> int:
        """Cabinets in the city."""
        return self.feeders * self.cabinets_per_feeder

    @property
    def lamps_per_cabinet(self) -> int:
        """Lamps behind one cabinet."""
        return self.cables_per_cabinet * self.lamps_per_cable

    @property
    def lamps(self) -> int:
        """Lamps in the city."""
        return self.cabinets * self.lamps_per_cabinet

    @property
    def smart_lamps(self) -> int:
        """How many of them are smart."""
        return round(self.smart_share * self.lamps)


TINY = Scale(feeders=1, cabinets_per_feeder=2, cables_per_cabinet=2, lamps_per_cable=6)
"""61 series: for tests."""

SMALL = Scale(feeders=2, cabinets_per_feeder=8, cables_per_cabinet=3, lamps_per_cable=18)
"""1,814 series: a quarter of a town."""

MEDIUM = Scale(feeders=20, cabinets_per_feeder=16, cables_per_cabinet=4, lamps_per_cable=17)
"""45,180 series: a city of 300,000 people."""

PRESETS: dict[str, Scale] = {"tiny": TINY, "small": SMALL, "medium": MEDIUM}
"""Scales by name."""
