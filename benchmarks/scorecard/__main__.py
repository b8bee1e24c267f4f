"""Measures, and writes the page with its pictures."""

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.scorecard.gallery import draw_all
from benchmarks.scorecard.labelled import LabelledSet, read_sets
from benchmarks.scorecard.machine import code_digest, made
from benchmarks.scorecard.outcome import LIVE, Outcome
from benchmarks.scorecard.page import Measured, page
from benchmarks.scorecard.reading import ReadingLostError, kept_reading
from benchmarks.scorecard.running import command, run_one
from cli.evaluation.series import write_whole
from core.errors import CityVigilError
from detectors.registry import DETECTORS

PAGE = "scorecard.md"
_MOVED = "The code was changed while this was made: its first and last evaluations may be of different code."

_PROJECT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the evaluations, write the page, and return 0, or 1 if one of them failed."""
    options = _parser().parse_args(arguments)
    detectors = _wanted(options.detectors)
    try:
        reading = kept_reading(_existing(options.out / PAGE))
        sets = read_sets(options.data, tuple(options.only))
    except (ReadingLostError, CityVigilError) as exc:
        where = f"{options.out / PAGE}: " if isinstance(exc, ReadingLostError) else ""
        return _complain(f"{where}{exc}")
    if not command().exists():
        return _complain(f"{command()} is not there: install the project first")
    how = made(datetime.now(UTC))
    outcomes = _run_all(sets, detectors, options.work, options.jobs)
    pictured = detectors[0]
    by_set = {outcome.set_name: outcome for outcome in outcomes if outcome.detector == pictured}
    pictures = draw_all(sets, by_set, options.work, options.out, pictured)
    remarks = [*_limits(options), *([] if code_digest() == how.digest else [_MOVED])]
    measured = Measured(how, sets, outcomes, pictures, pictured, remarks)
    write_whole(options.out / PAGE, page(measured, reading).encode())
    _say(f"written to {options.out / PAGE}")
    failed = [outcome for outcome in outcomes if outcome.summary is None]
    return _complain(*(f"{one.set_name} {one.detector} failed: {one.failure}" for one in failed)) if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scorecard", description=__doc__)
    parser.add_argument("--data", type=Path, default=_PROJECT.parent / "shared" / "datasets", help="folder of sets")
    parser.add_argument("--out", type=Path, default=_PROJECT / "docs", help="folder of the page")
    parser.add_argument(
        "--work", type=Path, default=_PROJECT / "cityvigil-data" / "scorecard", help="folder of the evaluations"
    )
    parser.add_argument("--only", action="append", default=[], metavar="SET", help="only this set; may be repeated")
    parser.add_argument("--detectors", default="", help=f"names, with commas; {LIVE} is the live combination")
    parser.add_argument("--jobs", type=int, default=0, help="processes of an evaluation; 0 means one per core")
    return parser


def _wanted(names: str) -> list[str]:
    """Return the detectors to run, the live combination first."""
    all_of_them = [LIVE, *DETECTORS]
    wanted = [name.strip() for name in names.split(",") if name.strip()] or all_of_them
    unknown = [name for name in wanted if name not in all_of_them]
    if unknown:
        _parser().error(f"there is no detector named {', '.join(unknown)}; there are: {', '.join(all_of_them)}")
    return sorted(dict.fromkeys(wanted), key=lambda name: name != LIVE)


def _existing(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def _run_all(sets: Sequence[LabelledSet], detectors: Sequence[str], work: Path, jobs: int) -> list[Outcome]:
    """Run everything, and say how far it is."""
    pairs = [(labelled, detector) for labelled in sets for detector in detectors]
    outcomes = []
    for number, (labelled, detector) in enumerate(pairs, 1):
        _say(f"{number} of {len(pairs)}: {labelled.name} {detector}")
        outcome = run_one(labelled, detector, work, jobs, lambda line: _say(f"  {line}"))
        how = "failed after" if outcome.summary is None else "done in"
        _say(f"{labelled.name} {detector} {how} {outcome.seconds:,.1f} s")
        outcomes.append(outcome)
    return outcomes


def _limits(options: argparse.Namespace) -> list[str]:
    """Return what was left out, in words."""
    sets = f"only the sets {', '.join(options.only)}" if options.only else ""
    detectors = f"only the detectors {options.detectors}" if options.detectors else ""
    said = " and ".join(part for part in (sets, detectors) if part)
    return [f"Not everything was run: {said}."] if said else []


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _complain(*lines: str) -> int:
    sys.stderr.writelines(f"scorecard: {line}\n" for line in lines)
    return 1


if __name__ == "__main__":
    # Told to stop, it stops what it runs too.
    signal.signal(signal.SIGTERM, lambda signum, _: sys.exit(128 + signum))
    sys.exit(main())
