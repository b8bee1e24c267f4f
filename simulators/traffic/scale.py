"""How large a traffic department is: its streets, counters, lines and vehicles."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of the streets and of the service on them.

    Attributes
    ----------
    name
        What the size is called.
    rows, columns
        Junctions from south to north and from west to east; 3 or more each.
    spacing_m
        About how far neighbouring junctions are apart.
    counters
        Segments with a loop counter; at most as many as there are segments.
    lines
        Lines of vehicles.
    vehicles_per_line
        Vehicles that each line owns.
    """

    name: str
    rows: int
    columns: int
    spacing_m: float
    counters: int
    lines: int
    vehicles_per_line: int

    @property
    def segments(self) -> int:
        """Directed road segments: two for each pair of neighbouring junctions."""
        return 2 * (self.rows * (self.columns - 1) + self.columns * (self.rows - 1))

    @property
    def series(self) -> int:
        """How many series the department has."""
        return self.segments + 3 * self.counters + self.lines * (1 + 6 * self.vehicles_per_line)


TINY = Scale("tiny", 4, 4, 450.0, counters=20, lines=3, vehicles_per_line=6)
SMALL = Scale("small", 8, 8, 430.0, counters=150, lines=20, vehicles_per_line=11)
MEDIUM = Scale("medium", 34, 34, 400.0, counters=4_000, lines=137, vehicles_per_line=16)

SCALES: dict[str, Scale] = {scale.name: scale for scale in (TINY, SMALL, MEDIUM)}
"""The presets: 219, 2,014 and 29,777 series."""
