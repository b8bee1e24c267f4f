"""How much an anomaly matters, 0 to 100: how rare, for how long, and how much of the city hangs on the asset."""

import math
from datetime import timedelta

_IMPORTANCE = {"dma": 1.0, "tank": 0.9, "pump": 0.9, "feeder": 0.8, "cabinet": 0.7, "line": 0.7, "vehicle": 0.4}
_IMPORTANCE_OF_OTHERS = 0.3
_FULL_RARITY_DECADES = 6.0
_FULL_DURATION = timedelta(hours=6)


def severity(asset_kind: str, p_value: float, threshold: float, duration: timedelta) -> float:
    """Return the severity of an anomaly.

    Parameters
    ----------
    asset_kind
        Says how much hangs on the asset.
    p_value, threshold
        The smallest p-value so far and the one at which anomalies open: six decades below it count in full.
    duration
        Event time that it has lasted; six hours count in full.
    """
    decades = math.log10(threshold / max(p_value, 1e-300))
    rarity = min(max(decades / _FULL_RARITY_DECADES, 0.0), 1.0)
    lasting = min(duration / _FULL_DURATION, 1.0)
    importance = _IMPORTANCE.get(asset_kind, _IMPORTANCE_OF_OTHERS)
    return round(100.0 * importance * (0.4 + 0.35 * rarity + 0.25 * lasting), 1)
