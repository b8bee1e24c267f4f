"""Networks of pipes: a few templates per city, drawn from its seed, which the DMAs share."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.noise import FloatArray, day_generator

TEMPLATES = 6
"""Networks that a city's DMAs share; what differs from DMA to DMA is who takes how much water where."""

TANK_FULL_M = 5.0
"""Level at which the pumps' control holds a full tank."""

TANK_RIM_M = 5.5
"""Level at which a tank runs over."""

HOURS_STORED = 8.0
"""Hours of mean demand in a full tank."""

_ROWS, _COLUMNS = (4, 6), (5, 6)
_SPACING_M = (85.0, 140.0)
_LEFT_OUT = 0.12  # share of the grid's links that do not exist
_CROSSING = 3  # pipes at a junction that can lose one
_MEAN_M3_H = (45.0, 80.0)
_TRUNK_MM, _STREET_MM, _LANE_MM = 150.0, 100.0, 80.0
_ROUGHNESS = (95.0, 135.0)  # Hazen-Williams: old cast iron to plastic


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe between two junctions of the grid.

    Attributes
    ----------
    start, end
        Numbers of the junctions.
    length_m, diameter_mm
        Of the pipe.
    roughness
        Hazen-Williams C.
    """

    start: int
    end: int
    length_m: float
    diameter_mm: float
    roughness: float


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One network: works, two pumps, a tank, an inlet main with a valve, and a looped grid with a section valve.

    Attributes
    ----------
    seed, number
        What it is drawn from.
    mean_m3_h
        Demand it is laid out for.
    x_m, y_m
        Shape (junctions,): where the junctions lie, east and north of the grid's corner.
    elevation_m
        Shape (junctions,): of the ground.
    shares
        Shape (junctions,): of the demand; they add up to 1.
    pipes
        Of the grid.
    entry
        Junction at which the inlet main arrives.
    sectioned
        Which of the pipes has a valve at its end.
    tank_m
        Elevation of the tank's floor; the works' water lies 30 m below.
    inlet_m
        Length of the inlet main.
    """

    seed: int
    number: int
    mean_m3_h: float
    x_m: FloatArray
    y_m: FloatArray
    elevation_m: FloatArray
    shares: FloatArray
    pipes: tuple[Pipe, ...]
    entry: int
    sectioned: int
    tank_m: float
    inlet_m: float

    @property
    def junctions(self) -> int:
        """Of the grid; 20 to 36."""
        return len(self.shares)

    @property
    def works_m(self) -> float:
        """Elevation of the water at the works."""
        return self.tank_m - 30.0


@lru_cache(maxsize=64)
def template_of(seed: int, number: int) -> Template:
    """Return a city's network template by its number, from 0 on."""
    rng = day_generator(seed, f"waterworks/template/{number}", 0)
    rows, columns = int(rng.integers(_ROWS[0], _ROWS[1] + 1)), int(rng.integers(_COLUMNS[0], _COLUMNS[1] + 1))
    spacing = rng.uniform(*_SPACING_M)
    row, column = np.divmod(np.arange(rows * columns), columns)
    x_m, y_m = ((along + rng.uniform(-0.15, 0.15, rows * columns)) * spacing for along in (column, row))
    elevation = _ground(rng, row / rows, column / columns)
    shares = rng.gamma(6.0, 1.0, rows * columns)
    entry = int(rng.integers(1, rows - 1)) * columns
    links = _links(rng, rows, columns)
    pipes = tuple(_pipe(rng, x_m, y_m, columns, entry, link) for link in links)
    # Behind the first pipe of the trunk: shutting it makes the water go round through the lanes.
    trunk = [at for at, pipe in enumerate(pipes) if pipe.diameter_mm == _TRUNK_MM]
    return Template(
        seed,
        number,
        float(np.round(rng.uniform(*_MEAN_M3_H), 1)),
        _fixed(x_m, 1),
        _fixed(y_m, 1),
        _fixed(elevation, 2),
        _fixed(shares / shares.sum(), 15),
        pipes,
        entry,
        trunk[1],
        float(np.round(elevation.max() + rng.uniform(36.0, 42.0), 2)),
        float(np.round(rng.uniform(250.0, 500.0), 0)),
    )


def farthest(template: Template) -> int:
    """Return the junction farthest from the entry, as the crow flies."""
    x_m, y_m = template.x_m - template.x_m[template.entry], template.y_m - template.y_m[template.entry]
    return int(np.argmax(np.hypot(x_m, y_m)))


def _ground(rng: np.random.Generator, row: FloatArray, column: FloatArray) -> FloatArray:
    """Return the elevation of a slope that is not quite even, in m; places are relative, 0 to 1."""
    tilt = rng.uniform(-9.0, 9.0, 2)
    elevation: FloatArray = 350.0 + tilt[0] * column + tilt[1] * row + rng.normal(0.0, 0.8, len(row))
    return elevation


def _fixed(values: FloatArray, decimals: int) -> FloatArray:
    result: FloatArray = np.round(values, decimals)
    result.flags.writeable = False
    return result


def _links(rng: np.random.Generator, rows: int, columns: int) -> list[tuple[int, int]]:
    """Return the pairs of neighbours that a pipe joins: all but a few, and every junction has two pipes at least."""
    at = np.arange(rows * columns).reshape(rows, columns)
    pairs = np.concatenate(
        [
            np.stack([at[:, :-1].ravel(), at[:, 1:].ravel()], axis=1),
            np.stack([at[:-1].ravel(), at[1:].ravel()], axis=1),
        ]
    )
    degree: NDArray[np.int64] = np.bincount(pairs.ravel(), minlength=rows * columns)
    kept = np.ones(len(pairs), dtype=np.bool_)
    for link in rng.permutation(len(pairs))[: int(_LEFT_OUT * len(pairs))]:
        # Interior junctions only: the ring around the grid stays whole, which keeps it one network of loops.
        if degree[pairs[link]].min() > _CROSSING and pairs[link][1] - pairs[link][0] > 1:
            kept[link] = False
            degree[pairs[link]] -= 1
    return [(int(start), int(end)) for start, end in pairs[kept]]


def _pipe(
    rng: np.random.Generator, x_m: FloatArray, y_m: FloatArray, columns: int, entry: int, link: tuple[int, int]
) -> Pipe:
    start, end = link
    length = float(np.hypot(x_m[end] - x_m[start], y_m[end] - y_m[start]))
    if start // columns == end // columns == entry // columns:
        diameter = _TRUNK_MM
    elif end - start > 1 and (start % columns) % 2 == 1:
        diameter = _STREET_MM
    else:
        diameter = _LANE_MM
    return Pipe(start, end, round(length, 1), diameter, round(float(rng.uniform(*_ROUGHNESS)), 1))
