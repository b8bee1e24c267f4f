"""All detectors by name, for whoever wants each of them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from detectors import flat_line, group_pca, prophet_band
from detectors.protocol import Detector

DETECTORS: Mapping[str, Callable[[int], Detector]] = MappingProxyType(
    {
        prophet_band.NAME: lambda _: prophet_band.ProphetBand(),
        flat_line.NAME: lambda _: flat_line.FlatLine(),
        group_pca.NAME: group_pca.GroupPca,
    }
)
"""What makes each detector from a seed, which one that draws no numbers leaves alone."""
