"""Who judges, and when it is time to learn anew: the same for the live loop and for a walk over labelled rows."""

from datetime import timedelta

from core.errors import SettingsError
from core.settings import EngineSettings
from detectors.registry import DETECTORS

_REFIT_GROWTH = 0.2
"""A model is fitted anew when there is a fifth more to learn from: a fortnight's after three days, a year's after three
weeks."""


def detectors_of(settings: EngineSettings) -> tuple[str, ...]:
    """Return the names of the detectors that judge, each once.

    Raises
    ------
    SettingsError
        If one is not registered.
    """
    unknown = sorted(set(settings.detectors) - set(DETECTORS))
    if unknown:
        known = ", ".join(sorted(DETECTORS))
        raise SettingsError(f"there is no detector named {', '.join(unknown)}; there are: {known}")
    return tuple(dict.fromkeys(settings.detectors))


def refit_interval(trained_span: timedelta, settings: EngineSettings) -> timedelta:
    """Return the event time after which a model that was trained on a span is fitted anew."""
    earliest, latest = timedelta(hours=settings.refit_after_h), timedelta(hours=settings.refit_within_h)
    return max(min(trained_span * _REFIT_GROWTH, latest), earliest)
