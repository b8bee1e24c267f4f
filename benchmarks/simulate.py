"""How many readings one core makes of a simulated city, without MQTT.

Run: `python benchmarks/simulate.py small medium`. Prints a Markdown table; the first day includes what is solved once.
"""

import resource
import sys
import time
from datetime import UTC, datetime, timedelta

from simulators.city import NAMES, build_city
from simulators.history import history

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 3


def measure(name: str) -> str:
    """Return a city's row: seconds are of this process's CPU."""
    started_s = time.process_time()
    city = build_city(name)
    built_s = time.process_time() - started_s
    days = []
    for day in range(DAYS):
        started_s, begin = time.process_time(), BEGIN + timedelta(days=day)
        readings = sum(len(block.values) for block in history(city, begin, begin + timedelta(days=1)))
        days.append((readings, time.process_time() - started_s))
    (first, first_s), later = days[0], days[1:]
    rate = sum(readings for readings, _ in later) / sum(seconds for _, seconds in later)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return (
        f"| {name} | {len(city.series):,} | {built_s:.1f} | {first:,} | {first / first_s:,.0f} | {rate:,.0f} "
        f"| {peak_mb:,.0f} |"
    )


def main(names: list[str]) -> None:
    """Measure and print."""
    rows = [
        "| city | series | built in s | readings a day | first day, readings/s | later days, readings/s | peak MB |",
        "|---|---|---|---|---|---|---|",
        *(measure(name) for name in names or NAMES),
    ]
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
