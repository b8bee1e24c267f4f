"""How large a water department is."""

from dataclasses import dataclass

from core.errors import PermanentError

SERIES_BESIDE = 1 + 1 + 2 * 3 + 2 * 2
"""Series of a DMA beside pressures and customers: inflow, tank level, two pumps with three, two stations with two."""


class WaterworksError(PermanentError):
    """A water department cannot be built as asked."""


class HydraulicsMissingError(PermanentError):
    """The hydraulics need wntr: install cityvigil[simulators]."""


@dataclass(frozen=True, slots=True)
class WaterScale:
    """How many things there are.

    Attributes
    ----------
    dmas
        District metered areas, each with works, pumps, a tank and a network of its own; 1 to 999.
    pressure_sensors_per_dma
        1 to 16.
    customer_meters_per_dma
        1 to 9,999. Few stand for large blocks with one meter each, many for houses; the demand of a DMA is the same.
    """

    dmas: int
    pressure_sensors_per_dma: int
    customer_meters_per_dma: int

    def __post_init__(self) -> None:
        bounds = (
            ("dmas", self.dmas, 999),
            ("pressure_sensors_per_dma", self.pressure_sensors_per_dma, 16),
            ("customer_meters_per_dma", self.customer_meters_per_dma, 9_999),
        )
        for name, value, most in bounds:
            if not 1 <= value <= most:
                raise WaterworksError(f"{name} is 1 to {most:,}, not {value}")

    @property
    def series_per_dma(self) -> int:
        """How many series each DMA has."""
        return SERIES_BESIDE + self.pressure_sensors_per_dma + self.customer_meters_per_dma


TINY = WaterScale(dmas=1, pressure_sensors_per_dma=4, customer_meters_per_dma=4)
"""20 series."""

SMALL = WaterScale(dmas=8, pressure_sensors_per_dma=8, customer_meters_per_dma=130)
"""1,200 series."""

MEDIUM = WaterScale(dmas=150, pressure_sensors_per_dma=8, customer_meters_per_dma=147)
"""25,050 series."""
