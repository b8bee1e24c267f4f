"""How much the last value of a window stands out once the regular part of its spectrum is taken away.

The spectrum is divided by its own local mean; what is left of it, turned back into values, is large where something
happens that the rest of the window does not prepare for. It needs to know next to nothing of the past, so it is at
work within a day. It sees spikes of a series that hovers about a level. Not for a daily rhythm: the ends of a window
of some hours do not meet then, and to a Fourier transform that is the largest spike of all.

Source: Ren et al. (2019), *Time-Series Anomaly Detection Service at Microsoft*, doi:10.1145/3292500.3330680, as in
PyOD's `SpectralResidual`. Deviations: PyOD transforms all rows at once, here each row is the last of a window of its
own, so that no later row counts; of several signals the most salient counts as it is, where PyOD standardises each
over the rows that happen to be given together; an amplitude of the spectrum that is all but zero is raised, because
rounded readings cancel exactly now and then, and their neighbours would stand out for it; a window that does not move
is not judged, as its spectrum is rounding.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detectors.errors import NotEnoughHistoryError
from detectors.protocol import Scope, Window
from detectors.windows import filled_windows, fitted_until, usual_range

NAME = "spectral_residual"
"""Name of the detector in records."""

WINDOW_ROWS = 128
"""Rows of a window: about eleven hours of five minutes, and a power of two."""

_LOG_OFFSET = 1e-10
"""Added to amplitudes before their logarithm, as in PyOD."""

_LEAST_LOG = -7.0
"""No logarithm of an amplitude lies further below the mean of its spectrum: a thousandth."""

_REACH = 10.0
"""Values count no further from the median than this many usual ranges: a wild one would be all of the spectrum."""

_CONSTANT = 1e-9


@dataclass(frozen=True, slots=True)
class FittedSpectralResidual:
    """Where the values of each of k signals usually lie.

    Attributes
    ----------
    fitted_until
        Event time of the last row of history, in UTC.
    centre, usual
        Shape (k,), median and range of the usual values in the signals' units; a range is NaN where the history
        never moves, and the signal is not judged.
    """

    fitted_until: datetime
    centre: NDArray[np.float64]
    usual: NDArray[np.float64]

    def score(self, recent: Window, /) -> NDArray[np.float64]:
        """Return the saliency of each row as the last of its window, of the most salient signal; without unit.

        NaN where no signal has a value in the row, values in at least half of its window, and moves in it, or the
        window is not at hand. About 2 µs a row and signal.
        """
        scores = np.full(len(recent), np.nan)
        for index in np.flatnonzero(~np.isnan(self.usual)).tolist():
            values = (recent.values[:, [index]] - self.centre[index]) / self.usual[index]
            scaled = replace(recent.column(index), values=np.clip(values, -_REACH, _REACH))
            for rows, windows in filled_windows(scaled, WINDOW_ROWS):
                moving = np.ptp(windows, axis=1) > _CONSTANT
                scores[rows[moving]] = np.fmax(scores[rows[moving]], _last_saliency(windows[moving]))
        return scores


def _last_saliency(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return PyOD's saliency of the last value of each window; shape (m,).

    A spectrum of real values is its own mirror image, so half of it is enough; the last value of its inverse is one
    weighted sum. PyOD's moving mean of three takes what lies beyond either end of the spectrum as 0, which makes the
    first frequency differ from its mirror image.
    """
    spectrum = np.fft.rfft(windows, axis=1)
    amplitude = np.abs(spectrum)
    log = np.log(amplitude + _LOG_OFFSET)
    log = np.maximum(log, log.mean(axis=1, keepdims=True) + _LEAST_LOG)
    nothing = np.zeros((len(log), 1))
    padded = np.hstack([nothing, log, log[:, -2:-1]])
    residual = log - (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    phase = np.divide(spectrum, amplitude, out=np.ones_like(spectrum), where=amplitude > 0)
    turned = phase * np.exp(-2j * np.pi * np.arange(log.shape[1]) / WINDOW_ROWS)
    parts = np.exp(residual) * turned
    mirrored = np.conj(parts[:, 2:-1]).sum(axis=1)
    last = np.exp(log[:, 1] - (log[:, 1] + log[:, 2]) / 3) * np.conj(turned[:, 1])
    return np.asarray(np.abs(parts.sum(axis=1) + mirrored + last) / WINDOW_ROWS)


@dataclass(frozen=True, slots=True)
class SpectralResidual:
    """Fits a `FittedSpectralResidual` to the signals of an asset."""

    name: str = NAME
    scope: Scope = Scope.ASSET
    min_history: int = 150
    lookback_rows: int = WINDOW_ROWS - 1

    def fit(self, history: Window, /) -> FittedSpectralResidual:
        """Learn where the values of k >= 1 signals usually lie; milliseconds.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than `min_history` rows have a value, or no signal ever moves.
        """
        known = int((~np.isnan(history.values)).any(axis=1).sum())
        ranges = np.array([usual_range(column) for column in history.values.T])
        moving = int((~np.isnan(ranges[:, 1])).sum())
        if known < self.min_history or not moving:
            raise NotEnoughHistoryError(f"{known} rows of {moving} moving signals are too few for a spectrum")
        return FittedSpectralResidual(fitted_until(history), ranges[:, 0], ranges[:, 1])

    def unseen_scores(self, history: Window, /) -> NDArray[np.float64]:
        """Return the history's own scores: two numbers a signal are all that a fit has learnt of it."""
        return self.fit(history).score(history)
