"""The lines: which segments they follow, where they stop, and how many people wait there."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from core.asset import Place
from simulators.noise import FloatArray, day_generator
from simulators.traffic.scale import Scale
from simulators.traffic.streets import CYCLE_S, METRES_PER_DEGREE, IntArray, Streets

SEATS = 85.0  # places, standing ones included
CRUISE_M_S = 10.5
DOORS_S = 9.0  # to brake, open, close and pull away
BOARDING_S = 2.4  # per person: Transit Capacity and Quality of Service Manual, 3rd edition (2013), exhibit 6-4
GREEN_WAVE = 0.8  # of the wait at signals that pay no heed to one another
LAYOVER_S = 240.0
RECOVERY_S = 60.0  # shortest layover
SHORTEST_HEADWAY_S = 240.0

_LONGEST_REACH, _STRAYS, _BENDS = 18, 5, 3  # junctions
_DETOUR_SHIFT_M = 260.0
_OPERATOR = 50
_NUMBERS_PER_OPERATOR = 1_000


@dataclass(frozen=True, slots=True)
class Lines:
    """All lines, padded to the longest; axes are line, direction (0 or 1) and link or stop.

    Attributes
    ----------
    names
        Of the lines.
    links
        Shape (lines, 2, k): the segment of each link; 0 beyond a line's end.
    count
        Links of each line; one stop more.
    link_m, empty_s, red_s, red_share
        Shape (lines, 2, k): length, seconds of a vehicle on an empty street, mean wait at the signal and share of the
        cycle that it is red; 0 beyond a line's end.
    latitude, longitude
        Shape (lines, 2, 2, k + 1): stops on the ordinary way, and the places that a detour passes instead.
    board_share
        Shape (lines, 2, k + 1): share of a trip's passengers that board at a stop; 0 at the last.
    leave_share
        Shape (lines, 2, k + 1): share of those on board that leave at a stop; 1 from the last on.
    fleet
        Vehicles of each line.
    riders
        Passengers of a trip in an ordinary rush hour.
    """

    names: tuple[str, ...]
    links: IntArray
    count: IntArray
    link_m: FloatArray
    empty_s: FloatArray
    red_s: FloatArray
    red_share: FloatArray
    latitude: FloatArray
    longitude: FloatArray
    board_share: FloatArray
    leave_share: FloatArray
    fleet: int
    riders: FloatArray


def vehicle_name(line: int, rank: int, fleet: int) -> str:
    """Return the name of a vehicle: its operator, which no other city has, and its number; it fits into a topic."""
    operator, number = divmod(line * fleet + rank, _NUMBERS_PER_OPERATOR)
    return f"vehicle-{_OPERATOR + operator}-{1 + number:03}"


def _walk(scale: Scale, rng: np.random.Generator) -> list[int]:
    """Return the junctions of a line: along the streets one way, with bends, without passing a junction twice."""
    turned = rng.random() < 0.5  # noqa: PLR2004
    tall, wide = (scale.columns, scale.rows) if turned else (scale.rows, scale.columns)
    reach = min(wide, _LONGEST_REACH)
    while True:
        first = int(rng.integers(wide - reach + 1))
        middle = int(rng.integers(tall))
        rows = np.clip(middle + rng.integers(-_STRAYS, _STRAYS + 1, 3), 0, tall - 1)
        columns = first + np.array([0, reach // 2, reach - 1])
        corners = list(zip(rows.tolist(), columns.tolist(), strict=True))
        path = [corners[0], *_stairs(corners[0], corners[1], rng), *_stairs(corners[1], corners[2], rng)]
        if len(set(path)) == len(path) > reach + _BENDS:
            ways = [(column, row) if turned else (row, column) for row, column in path]
            return [row * scale.columns + column for row, column in ways]


def _stairs(start: tuple[int, int], goal: tuple[int, int], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return the junctions from one to another, along streets, with one bend or two."""
    row, column = goal[0] - start[0], goal[1] - start[1]
    part = int(rng.integers(abs(row) + 1))
    moves = [(np.sign(row), 0)] * part + [(0, np.sign(column))] * abs(column)
    moves += [(np.sign(row), 0)] * (abs(row) - part)
    steps = np.cumsum(np.array(moves, dtype=np.int64).reshape(-1, 2), axis=0) + np.array(start)
    return [(int(north), int(east)) for north, east in steps]


def _paths(scale: Scale, seed: int) -> list[list[int]]:
    rng = day_generator(seed, f"lines {scale.name}", 0)
    return [_walk(scale, rng) for _ in range(scale.lines)]


def _links(streets: Streets, paths: list[list[int]]) -> tuple[IntArray, IntArray, IntArray]:
    """Return the segments, the number of links, and the junctions of both directions, all padded."""
    segment_of = {pair: at for at, pair in enumerate(zip(streets.begin.tolist(), streets.end.tolist(), strict=True))}
    longest = max(len(path) for path in paths) - 1
    links = np.zeros((len(paths), 2, longest), dtype=np.int64)
    stops = np.zeros((len(paths), 2, longest + 1), dtype=np.int64)
    for line, path in enumerate(paths):
        for direction, one_way in enumerate((path, path[::-1])):
            pairs = pairwise(one_way)
            links[line, direction, : len(path) - 1] = [segment_of[pair] for pair in pairs]
            stops[line, direction] = one_way + [one_way[-1]] * (longest + 1 - len(path))
    return links, np.array([len(path) - 1 for path in paths]), stops


def _places(streets: Streets, stops: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the places of stops, and those that a detour passes a street further on; shape (lines, 2, 2, stops)."""
    latitude, longitude = streets.latitude[stops], streets.longitude[stops]
    north, east = np.gradient(latitude, axis=2), np.gradient(longitude, axis=2) * 0.685
    length = np.hypot(north, east) + 1e-12
    shift = _DETOUR_SHIFT_M / METRES_PER_DEGREE
    # Both directions pass the same parallel street: left of one, right of the other.
    side = np.array([1.0, -1.0])[None, :, None] * shift
    away = (latitude - side * east / length, longitude + side * north / length / 0.685)
    return np.stack([latitude, away[0]], axis=2), np.stack([longitude, away[1]], axis=2)


def _people(count: IntArray, stops: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the shares that board and leave at each stop; shape (lines, 2, stops)."""
    at = np.arange(stops) / count[:, None, None]
    wish = rng.gamma(4.0, 0.25, (count.size, 2, stops)) * np.clip(1.15 - at, 0.05, 1.0)
    board = np.where(at < 1.0, wish, 0.0)
    leave = np.clip(rng.gamma(4.0, 0.25, board.shape) * 2.6 * at**1.2 / count[:, None, None], 0.0, 0.9)
    return board / board.sum(axis=2, keepdims=True), np.where(at < 1.0, leave, 1.0)


def build_lines(scale: Scale, streets: Streets, seed: int) -> Lines:
    """Build the lines of a city of a size; the same seed gives the same lines."""
    links, count, stops = _links(streets, _paths(scale, seed))
    rng = day_generator(seed, f"riders {scale.name}", 0)
    used = np.arange(links.shape[2]) < count[:, None, None]
    latitude, longitude = _places(streets, stops)
    board, leave = _people(count, links.shape[2] + 1, rng)
    speed = np.minimum(CRUISE_M_S, streets.free_m_s)
    return Lines(
        names=tuple(f"line-T{line + 1}" for line in range(scale.lines)),
        links=links,
        count=count,
        link_m=streets.length_m[links] * used,
        empty_s=(streets.length_m / speed)[links] * used,
        red_s=(0.5 * GREEN_WAVE * CYCLE_S * (1.0 - streets.green) ** 2)[links] * used,
        red_share=(1.0 - streets.green)[links] * used,
        latitude=latitude,
        longitude=longitude,
        board_share=board,
        leave_share=leave,
        fleet=scale.vehicles_per_line,
        riders=rng.uniform(75.0, 130.0, scale.lines),
    )


def stop_place(lines: Lines, line: int, stop: int) -> Place:
    """Return where a line stops in direction 0."""
    return Place(float(lines.latitude[line, 0, 0, stop]), float(lines.longitude[line, 0, 0, stop]))
