"""All detectors by name, for whoever wants each of them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from detectors import (
    flat_line,
    group_pca,
    lag_outliers,
    matrix_profile,
    prophet_band,
    slot_median,
    slot_neighbours,
    spectral_residual,
    windowed_gaussian,
)
from detectors.protocol import Detector

DETECTORS: Mapping[str, Callable[[int], Detector]] = MappingProxyType(
    {
        prophet_band.NAME: lambda _: prophet_band.ProphetBand(),
        flat_line.NAME: lambda _: flat_line.FlatLine(),
        group_pca.NAME: group_pca.GroupPca,
        slot_median.NAME: lambda _: slot_median.SlotMedian(),
        slot_neighbours.NAME: lambda _: slot_neighbours.SlotNeighbours(),
        windowed_gaussian.NAME: lambda _: windowed_gaussian.WindowedGaussian(),
        matrix_profile.NAME: lambda _: matrix_profile.MatrixProfile(),
        spectral_residual.NAME: lambda _: spectral_residual.SpectralResidual(),
        lag_outliers.IFOREST_NAME: lag_outliers.iforest_lags,
        lag_outliers.ECOD_NAME: lag_outliers.ecod_lags,
        lag_outliers.PCA_NAME: lag_outliers.pca_lags,
    }
)
"""What makes each detector from a seed, which one that draws no numbers leaves alone."""
