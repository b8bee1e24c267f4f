"""Assets that say nothing, or nothing possible: QARTOD's gap test on the processing clock.

An asset is silent only if others of its domain speak: when they all fall silent it is the feed or the broker, and
one line on the pipeline's dashboard says so instead of one anomaly for each asset.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.anomaly import Anomaly, AnomalyKind, Evidence
from core.quality import QualityFlag, gap_test
from engine.episodes import Change
from engine.severity import severity
from store.judgements import StoredAnomaly
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


def silent_series(
    heard: Sequence[Heard], feed_latest: datetime, now: datetime, tolerated_samples: float
) -> list[Heard]:
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
    asset: StoredAsset,
    silent: Sequence[Heard],
    reference: datetime,
    now: datetime,
    threshold: float,
    known: Anomaly | None,
) -> Anomaly:
    """Return the anomaly that a silent asset makes; `known` is the one that is recorded already, if there is one.

    Its kind is `sensor`: nobody knows how the thing is, only that its instrument does not say.
    """
    since = known.since if known else min(h.last_at for h in silent)
    missed = max((reference - h.last_at).total_seconds() / h.interval_s for h in silent)
    p_value = max(_MISSING_RATE ** min(missed, 200.0), 1e-300)
    return Anomaly(
        asset_id=asset.asset_id,
        detector=DETECTOR,
        kind=AnomalyKind.SENSOR,
        since=since,
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


class Listener:
    """Compares who is silent with what is recorded of silence.

    Parameters
    ----------
    tolerated_samples
        Readings in a row that may be missing.
    threshold
        P-value at which anomalies open, for their record.
    revise_after
        Event time after which a silence that lasts is written again.
    """

    def __init__(self, tolerated_samples: float, threshold: float, revise_after: timedelta) -> None:
        self._tolerated_samples = tolerated_samples
        self._threshold = threshold
        self._revise_after = revise_after
        self._known: dict[int, StoredAnomaly] = {}

    def recall(self, recorded: Iterable[StoredAnomaly]) -> None:
        """Take over the recorded silences that last, out of these anomalies."""
        lasting = (k for k in recorded if k.anomaly.detector == DETECTOR and k.anomaly.ended_at is None)
        self._known = {stored.anomaly.asset_id: stored for stored in lasting}

    def remember(self, stored: StoredAnomaly) -> StoredAnomaly | None:
        """Note what was written of a silence; return what was known of it before."""
        old = self._known.pop(stored.anomaly.asset_id, None)
        if stored.anomaly.ended_at is None:
            self._known[stored.anomaly.asset_id] = stored
        return old

    def changes(
        self,
        heard: Mapping[int, Sequence[Heard]],
        assets: Mapping[int, StoredAsset],
        latest: Mapping[str, datetime],
        now: datetime,
    ) -> list[tuple[StoredAsset, Change]]:
        """Return what must be written of silences.

        Parameters
        ----------
        heard
            By asset: its series that have a rhythm.
        latest
            Latest event time of each domain.
        now
            Processing time.
        """
        silent = {
            asset_id: silent_series(series, latest[assets[asset_id].domain], now, self._tolerated_samples)
            for asset_id, series in heard.items()
        }
        peers = Counter(assets[asset_id].domain for asset_id in heard)
        silent_peers = Counter(assets[asset_id].domain for asset_id, series in silent.items() if series)
        changes = []
        for asset_id, series in silent.items():
            asset = assets[asset_id]
            if not feed_is_silent(silent_peers[asset.domain], peers[asset.domain]):
                change = self._change(asset, series, min(latest[asset.domain], now), now)
                changes += [(asset, change)] if change else []
        return changes

    def _change(self, asset: StoredAsset, silent: Sequence[Heard], reference: datetime, now: datetime) -> Change | None:
        known = self._known.get(asset.asset_id)
        if silent:
            if known is not None and reference - known.anomaly.last_at < self._revise_after:
                return None
            old = known.anomaly if known else None
            anomaly = silence_anomaly(asset, silent, reference, now, self._threshold, old)
            return Change(known.anomaly_id if known else None, anomaly)
        if known is None:
            return None
        return Change(known.anomaly_id, replace(known.anomaly, ended_at=max(reference, known.anomaly.last_at)))
