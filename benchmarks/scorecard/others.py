"""Other people's figures on the same data: those of a set's description, and a few that stand elsewhere."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Published(NamedTuple):
    """What others published of one method.

    Attributes
    ----------
    measures
        By our names of them.
    like_for_like
        Whether the rows are the same, so that the figures may be compared.
    """

    method: str
    measures: dict[str, float]
    like_for_like: bool = True


_OUR_NAMES = {
    "auc": "auc",
    "ap": "ap",
    "f1": "f1_best",
    "f1_best": "f1_best",
    "f1_oracle_threshold": "f1_best",
    "far_pct": "far_pct",
    "vus_pr": "vus_pr",
    "S": "S",
}
_KEY = "peers"

ELSEWHERE: Mapping[str, tuple[Published, ...]] = {
    "nab-transport-dev": (
        Published("CAD OSE", {"nab_standard": 91.7}),
        Published("ARTime", {"nab_standard": 89.5}),
        Published("random cut forest", {"nab_standard": 87.2}),
        Published("HTM", {"nab_standard": 83.5}),
    ),
    "scada-dev": (Published("competition's winner, on another part of the data", {"S": 0.970}, like_for_like=False),),
}
"""By a set's name, for the page only: figures that no description holds."""

SOURCES: Mapping[str, str] = {
    "nab-transport-dev": "Others' NAB scores: the result files of numenta/NAB, standard profile, on these four files.",
    "scada-dev": (
        "The S of the competition's winner (Taormina et al. 2018) was reached on another part of the data, "
        "so it is no bar for these rows, only an idea of what is possible."
    ),
}
"""Where the figures of `ELSEWHERE` come from."""


def published_of(name: str, described: Mapping[str, Any]) -> list[Published]:
    """Return all that others published of a set.

    Parameters
    ----------
    name
        The set's.
    described
        What of its description begins with `peers`.
    """
    rows = [row for key, content in described.items() for row in flattened(content, _part_of(key))]
    return [*rows, *ELSEWHERE.get(name, ())]


def flattened(content: Mapping[str, Any], part: str = "") -> list[Published]:
    """Return each method of a nested description: whatever holds numbers is a method, what lies above it a part.

    Methods without a measure that is also ours are left out.

    Parameters
    ----------
    part
        Of the data, on which the figures were made; empty means all.
    """
    rows = []
    for name, inner in content.items():
        if not isinstance(inner, Mapping):
            continue
        measures = {
            _OUR_NAMES[measure]: float(value)
            for measure, value in inner.items()
            if measure in _OUR_NAMES and isinstance(value, int | float)
        }
        if measures:
            rows.append(Published(f"{name} ({part})" if part else name, measures))
        rows.extend(flattened(inner, f"{part}, {name}" if part else name))
    return rows


def _part_of(key: str) -> str:
    return key.removeprefix(_KEY).strip("_").replace("_", " ")
