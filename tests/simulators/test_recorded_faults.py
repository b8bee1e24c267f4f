import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import InputFileError
from simulators.recorded_faults import Effect, FeedFault, FeedFaultError, FeedFaultKind, label_of, read_feed_faults

START = datetime(2026, 3, 14, 12, tzinfo=UTC)
SPAN = {"start": "2026-03-14T12:00:00Z", "end": "2026-03-14T15:00:00+02:00"}


def line(**record: object) -> str:
    return json.dumps({**SPAN, **record})


def test_a_fault_is_one_line_of_json() -> None:
    fault = FeedFault.from_json(line(kind="spike", topics="/hfp/#", device="hsl:12/1", metric="speed", by=5))
    assert fault.kind is FeedFaultKind.SPIKE
    assert (fault.start, fault.end - fault.start) == (START, timedelta(hours=1))
    assert (fault.topics, fault.device, fault.metric, fault.by) == ("/hfp/#", "hsl:12/1", "speed", 5)
    assert fault.chance == 0.05
    assert FeedFault.from_json(line(kind="drop")).chance == 1.0
    assert FeedFault.from_json(line(kind="drop", share=0.25)).chance == 0.25


NEEDED: dict[FeedFaultKind, dict[str, object]] = {
    FeedFaultKind.DELAY: {"delay_s": 1},
    FeedFaultKind.OUT_OF_ORDER: {"delay_s": 1},
    FeedFaultKind.SPIKE: {"by": 1, "path": "a"},
    FeedFaultKind.OFFSET: {"by": 1, "path": "a"},
    FeedFaultKind.SCALE: {"factor": 1, "path": "a"},
    FeedFaultKind.CLOCK: {"offset_s": 1},
}


@pytest.mark.parametrize("kind", FeedFaultKind)
def test_each_kind_says_what_it_needs(kind: FeedFaultKind) -> None:
    needed = NEEDED.get(kind, {})
    FeedFault.from_json(line(kind=kind, **needed))
    for name in needed:
        lacking = {one: value for one, value in needed.items() if one != name}
        with pytest.raises(FeedFaultError, match=f"{kind} needs .*{name}"):
            FeedFault.from_json(line(kind=kind, **lacking))


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"kind": "tea"}, "not a fault: Invalid enum value 'tea'"),
        ({"kind": "drop", "shares": 1}, "not a fault: Object contains unknown field `shares`"),
        ({"kind": "drop", "share": 0}, "not a fault: Expected `float` > 0"),
        ({"kind": "drop", "start": "2026-03-14T12:00:00"}, "not a fault: .*timezone"),
        ({"kind": "drop", "end": SPAN["start"]}, "a fault ends after it starts"),
        ({"kind": "drop", "topics": "a#"}, "not a fault: topic filter 1 is none"),
        ({"kind": "drop", "delay_s": 1, "by": 2}, "by and delay_s means nothing to drop"),
        ({"kind": "gps_freeze", "metric": "speed"}, "metric means nothing to gps_freeze"),
        ({"kind": "spike", "by": 1, "metric": "a", "path": "b"}, "spike needs either metric or path"),
        ({"kind": "clock", "offset_s": 0.5}, "not a fault: Expected `int | null`, got `float`"),
        ({"kind": "delay", "delay_s": -1}, "not a fault: Expected `float` >= 0"),
    ],
)
def test_what_does_not_fit_is_said_in_plain_words(record: dict[str, object], complaint: str) -> None:
    with pytest.raises(FeedFaultError, match=complaint):
        FeedFault.from_json(line(**record))


def test_a_file_of_faults_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    path.write_text(f"{line(kind='drop')}\n\n{line(kind='gps_freeze')}\n")
    assert [fault.kind for fault in read_feed_faults(path)] == [FeedFaultKind.DROP, FeedFaultKind.GPS_FREEZE]


@pytest.mark.parametrize(
    ("content", "number", "complaint"), [("\n{}\n", 2, "missing required field"), ("\xff", None, "cannot be read")]
)
def test_a_wrong_file_is_reported_with_its_line(
    tmp_path: Path, content: str, number: int | None, complaint: str
) -> None:
    path = tmp_path / "faults.jsonl"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputFileError, match=complaint) as caught:
        read_feed_faults(path)
    assert (caught.value.path, caught.value.line) == (str(path), number)


def test_a_label_is_the_fault_at_the_replays_time_and_its_effect() -> None:
    fault = FeedFault.from_json(line(kind="delay", topics="a/#", delay_s=2.5))
    label = label_of(fault, Effect(messages=9, touched=7), timedelta(days=1))
    assert label.endswith(b"\n")
    assert json.loads(label) == {
        "kind": "delay",
        "start": "2026-03-15T12:00:00Z",
        "end": "2026-03-15T15:00:00+02:00",
        "topics": "a/#",
        "delay_s": 2.5,
        "effect": {"messages": 9, "touched": 7, "dropped": 0, "added": 0, "unreadable": 0},
    }
