"""Assets that say nothing: QARTOD's gap test on the processing clock.

An asset is silent only if others of its domain speak: when they all fall silent it is the feed or the broker, and
one line on the pipeline's dashboard says so instead of one anomaly for each asset.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.anomaly import Anomaly, AnomalyKind, Evidence
from core.quality import QualityFlag, gap_test
from engine.severity import severity
from store.registry import StoredAsset, StoredSeries

DETECTOR = "silence"

_LEAST_SILENCE = timedelta(minutes=15)
_FEED_SILENT_SHARE = 0.5
_MISSING_RATE = 0.05
"""No sample is thought to go missing more often than this; k in a row then have a probability of rate ** k."""


@dataclass(frozen=True, slots=True)
class Heard:
    """When one series was last heard of.

    Attributes
    ----------
    series
        Which.
    last_at
        Event time of its latest reading, in UTC.
    interval_s
        Usual distance of its readings, in seconds.
    """

    series: StoredSeries
    last_at: datetime
    interval_s: float


def silent_series(heard: list[Heard], feed_latest: datetime, now: datetime, tolerated_samples: float) -> list[Heard]:
    """Return those that have been silent too long, both by the clock and beside what else the feed brings.

    Parameters
    ----------
    feed_latest
        Latest event time of the domain.
    now
        Processing time.
    tolerated_samples
        Readings in a row that may be missing.
    """
    reference = min(feed_latest, now)
    return [
        h
        for h in heard
        if reference - h.last_at > _LEAST_SILENCE
        and gap_test((reference - h.last_at).total_seconds(), h.interval_s, tolerated_samples) is QualityFlag.MISSING
    ]


def feed_is_silent(silent_assets: int, assets: int) -> bool:
    """Return whether so many assets of a domain are silent at once that it must be their feed."""
    return assets > 1 and silent_assets > _FEED_SILENT_SHARE * assets


def silence_anomaly(
    asset: StoredAsset, silent: list[Heard], reference: datetime, now: datetime, threshold: float, known: Anomaly | None
) -> Anomaly:
    """Return the anomaly that a silent asset makes; `known` is the one that is recorded already, if there is one.

    Its kind is `sensor`: nobody knows how the thing is, only that its instrument does not say.
    """
    since = min(h.last_at for h in silent)
    missed = max((reference - h.last_at).total_seconds() / h.interval_s for h in silent)
    p_value = max(_MISSING_RATE ** min(missed, 200.0), 1e-300)
    return Anomaly(
        asset_id=asset.asset_id,
        detector=DETECTOR,
        kind=AnomalyKind.SENSOR,
        since=known.since if known else since,
        last_at=reference,
        ended_at=None,
        retracted=False,
        detected_at=known.detected_at if known else now,
        p_value=p_value,
        severity=severity(asset.kind, p_value, threshold, reference - since),
        score=round(missed, 1),
        threshold=threshold,
        model_version=known.model_version if known else "qartod-gap",
        evidence=tuple(
            Evidence(h.series.series_id, h.series.metric, h.series.unit, None, None, None, None, 1.0 / len(silent))
            for h in silent
        ),
    )
