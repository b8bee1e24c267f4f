"""What detectors cost, and what they could not judge."""

from collections import Counter
from collections.abc import Sequence

from benchmarks.scorecard.measures import name_of
from benchmarks.scorecard.outcome import Outcome, Summary
from benchmarks.scorecard.tables import NOTHING, plain, table

LARGEST_SET = "traffic-counts-2019"
"""The set whose wall time stands in a column of its own."""

_NEARLY_ALL = 0.995
_LONGEST_REASON = 90


def cost_table(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the table of costs: one row per detector, over all sets that it was run on."""
    headings = [
        "detector", "sets", "rows per s and core", "s per fit", "fits", "model, KB", "peak, MB", "wall, s",
        f"wall on {LARGEST_SET}, s",
    ]  # fmt: skip
    detectors = dict.fromkeys(outcome.detector for outcome in outcomes)
    return table(headings, [_cost(name, [one for one in outcomes if one.detector == name]) for name in detectors])


def _cost(detector: str, outcomes: Sequence[Outcome]) -> list[str]:
    done = [outcome for outcome in outcomes if outcome.summary]
    costs = [outcome.summary.cost for outcome in done if outcome.summary]
    if not costs:
        return [name_of(detector), "0", *[NOTHING] * 7]
    fits, fit_s = sum(cost.fits for cost in costs), sum(cost.fit_s for cost in costs)
    core_s, rows = fit_s + sum(cost.judge_s for cost in costs), sum(cost.rows for cost in costs)
    largest = [outcome.seconds for outcome in done if outcome.set_name == LARGEST_SET]
    return [
        name_of(detector),
        str(len(done)),
        f"{rows / core_s:,.0f}" if core_s else NOTHING,
        f"{fit_s / fits:.3f}" if fits else NOTHING,
        f"{fits:,}",
        f"{max(cost.model_bytes for cost in costs) / 1000:,.0f}",
        f"{max(cost.peak_mb for cost in costs):,.0f}",
        f"{sum(outcome.seconds for outcome in done):,.0f}",
        f"{largest[0]:,.0f}" if largest else NOTHING,
    ]


def unjudged_table(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the table of what was not judged, without the pairs that judged nearly everything; empty if all did."""
    rows = [_unjudged(one.set_name, one.detector, one.summary, one.judged_share) for one in outcomes if one.summary]
    shown = [row for row in rows if row]
    headings = ["set", "detector", "judged, %", "series without a score", "most frequent reason for those"]
    return table(headings, shown, words=(0, 1, 4)) if shown else []


def _unjudged(set_name: str, detector: str, summary: Summary, judged_share: float) -> list[str]:
    silent = [one for one in summary.series.values() if not one.measures.get("judged_share")]
    if judged_share >= _NEARLY_ALL and not silent:
        return []
    reasons = [reason for one in silent for reason in one.unfitted.values()]
    return [
        set_name,
        name_of(detector),
        f"{100.0 * judged_share:.1f}",
        f"{len(silent)} of {len(summary.series)}",
        most_frequent(reasons) if silent else NOTHING,
    ]


def most_frequent(reasons: Sequence[str]) -> str:
    """Return the reason given most often, shortened; of equally frequent ones the first by alphabet."""
    if not reasons:
        return "no reason recorded"
    reason = min(Counter(reasons).items(), key=lambda item: (-item[1], item[0]))[0]
    return plain(reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]} …")
