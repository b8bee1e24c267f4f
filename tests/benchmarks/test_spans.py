"""What is chosen for the pictures."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.scorecard.captions import absent, caption, duration, subtitle, title
from benchmarks.scorecard.panel import rows_around, strips_of
from benchmarks.scorecard.spans import Kind, Span, choose, spans_of
from tests.benchmarks.making import BEGIN, STEP, judged, labelled


def where(span: Span) -> tuple[Kind, int, int]:
    return span.kind, span.start, span.stop


def test_events_are_found_or_missed_and_alarms_over_nothing_are_false() -> None:
    rows = judged("00111001100000", "00010000000110")
    assert [where(span) for span in spans_of(rows)] == [
        (Kind.FIND, 2, 5),
        (Kind.MISS, 7, 9),
        (Kind.FALSE_ALARM, 11, 13),
    ]


def test_an_alarm_that_begins_before_its_event_is_not_false() -> None:
    assert [span.kind for span in spans_of(judged("0001110", "0111000"))] == [Kind.FIND]


def test_history_shows_nothing() -> None:
    assert [where(span) for span in spans_of(judged("11110000", "00000011", first=3))] == [
        (Kind.MISS, 3, 4),
        (Kind.FALSE_ALARM, 6, 8),
    ]


def test_a_span_knows_its_length_its_delay_and_its_highest_score() -> None:
    find, miss = spans_of(judged("0111100110", "0001100000", [0, 1, 5, 9, 7, 0, 0, np.nan, np.nan, 0]))
    assert (find.length, find.delay, find.highest) == (4 * STEP, 2 * STEP, 9.0)
    assert (find.begins, find.ends) == (BEGIN + STEP, BEGIN + 4 * STEP)
    assert (miss.delay, miss.highest) == (None, None)


def test_the_find_with_the_median_delay_the_longest_miss_and_the_worst_false_alarm_are_shown() -> None:
    late = judged("0111110000", "0000010000", series="late")
    middle = judged("0111110000", "0001000000", series="middle")
    soon = judged("0111110000", "0100000000", series="soon")
    misses = judged("0110111000", "0000000000", series="misses")
    false = judged("0000000000", "0100100110", [0, 5, 0, 0, 8, 0, 0, 7, 6, 0], series="false")
    spans = [span for rows in (soon, late, false, misses, middle) for span in spans_of(rows)]
    chosen = choose(spans)
    assert chosen[Kind.FIND].rows.series == "middle"
    assert where(chosen[Kind.MISS]) == (Kind.MISS, 4, 7)
    assert where(chosen[Kind.FALSE_ALARM]) == (Kind.FALSE_ALARM, 4, 5)


def test_the_choice_does_not_depend_on_the_order() -> None:
    rows = [judged("0110110", "0100001", series=name) for name in ("b", "a", "c")]
    spans = [span for one in rows for span in spans_of(one)]
    first, second = choose(spans), choose(spans[::-1])
    assert {kind: where(span) for kind, span in first.items()} == {kind: where(span) for kind, span in second.items()}
    assert {span.rows.series for span in (*first.values(), *second.values())} == {"a", "b"}


def test_nothing_is_chosen_from_nothing() -> None:
    assert choose([]) == {}


def test_the_most_frequent_kind_of_fault_is_named() -> None:
    span = spans_of(judged("01110", "00000", faults=("", "day_burner", "flicker", "day_burner", "")))[0]
    assert subtitle(span) == "town · pump · day burner"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (20, "20 s"),
        (90, "1 min 30 s"),
        (900, "15 min"),
        (5400, "1 h 30 min"),
        (7200, "2 h"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations_are_told_in_two_units(seconds: int, words: str) -> None:
    assert duration(pd.Timedelta(seconds=seconds)) == words


def test_headlines_say_what_happened() -> None:
    find, at_once, miss, false = spans_of(judged("0111100110001100", "0001000100000000"))[:3] + spans_of(
        judged("0000", "0110")
    )
    assert title(find) == "Found 30 min after its start"
    assert title(at_once) == "Found at once"
    assert title(miss) == "Missed: 30 min without an alarm"
    assert title(false) == "False alarm: 30 min"


def test_a_caption_tells_facts_and_says_what_there_is_none_of() -> None:
    spans = spans_of(judged("0111100110", "0001100000", [0, 1, 5, 9, 7, 0, 0, 2.5, 1, 0]))
    chosen, blank, find, miss, false = caption(choose(spans), spans, 3)
    assert (chosen, blank) == ("Chosen from 3 series:", "")
    assert find == (
        "- Left, the only found event: town, `pump`, labelled 2026-03-02 00:15 to 2026-03-02 01:00 (UTC); "
        "the first alarm came 30 min after its start."
    )
    assert miss.endswith("its highest score is 2.5, and alarms begin near 4.0.")
    assert false == "- Right, nothing: there was no false alarm."


def test_a_caption_says_how_one_of_several_was_chosen() -> None:
    spans = spans_of(judged("0110110000000", "0100100010010", [0, 9, 9, 0, 9, 9, 0, 0, 5, 0, 0, 8, 0]))
    find, miss, false = caption(choose(spans), spans, 1)[2:]
    assert "of 2 found events the one with the median delay" in find
    assert miss == "- Middle, nothing: no event was missed."
    assert "of 2 false alarms the one with the highest score: town, `pump`, 2026-03-02 02:45 to " in false
    assert false.endswith("where nothing is labelled; its highest score is 8.0, and alarms begin near 4.0.")


def test_where_nothing_may_be_drawn_the_words_say_why() -> None:
    assert "licence" in caption({}, [], 0)[0]
    assert absent(Kind.MISS, 5) == ("No event missed", "in 5 series")
    assert "licence" in absent(Kind.MISS, 0)[1]


@pytest.mark.parametrize("length", [1, 8, 40, 400])
def test_a_stretch_is_shown_with_what_lies_around_it(length: int) -> None:
    rows = 3000
    labels = "0" * 1000 + "1" * length + "0" * (rows - 1000 - length)
    span = spans_of(judged(labels, "0" * rows))[0]
    shown = rows_around(span)
    assert 96 <= 1000 - shown.start <= max(2 * length, 144)
    assert shown.stop - (1000 + length) == pytest.approx(1000 - shown.start, abs=1)


def test_around_a_stretch_at_the_end_is_what_there_is() -> None:
    shown = rows_around(spans_of(judged("0001", "0000"))[0])
    assert (shown.start, shown.stop) == (0, 4)


def test_the_signals_that_change_most_are_shown_with_what_is_usual() -> None:
    rows = 8 * 96
    day = np.sin(np.arange(rows) * 2 * np.pi / 96)
    rng = np.random.default_rng(3)
    calm, loud, louder = (day + rng.normal(0.0, 0.05, rows) for _ in range(3))
    loud[700:710] += 2.0
    louder[700:710] += 4.0
    labels = "0" * 700 + "1" * 10 + "0" * (rows - 710)
    judged_rows = judged(
        labels,
        "0" * rows,
        labelled=labelled(units={"b": "bar"}),
        metrics=("a", "b", "c"),
        values=np.column_stack([calm, loud, louder]),
    )
    strips = strips_of(spans_of(judged_rows)[0])
    assert [strip.label for strip in strips] == ["c", "b (bar)"]
    assert np.nanmax(np.abs(strips[0].usual)) < 1.3


def test_a_signal_without_a_value_in_the_stretch_is_not_the_loudest() -> None:
    values = np.column_stack([[1.0, 2.0, np.nan, np.nan, 1.0], [1.0, 1.0, 5.0, 5.0, 1.0]])
    rows = judged("00110", "00000", metrics=("gone", "there"), values=values)
    assert [strip.label for strip in strips_of(spans_of(rows)[0])] == ["there", "gone"]


def test_a_lasting_change_is_louder_than_a_switch_that_comes_a_row_late() -> None:
    rows, begin, stop = 8 * 96, 680, 730
    on = ((np.arange(rows) % 96) < 40).astype(np.float64)
    late = np.roll(on, 1)
    switched = np.where((np.arange(rows) >= begin) & (np.arange(rows) < stop), late, on)
    lasting = on * 1000.0 + np.random.default_rng(4).normal(0.0, 5.0, rows)
    lasting[begin:stop] += 50.0
    labels = "0" * begin + "1" * (stop - begin) + "0" * (rows - stop)
    values = np.column_stack([switched + np.random.default_rng(5).normal(0.0, 0.02, rows), lasting])
    rows_of_both = judged(labels, "0" * rows, metrics=("switched", "lasting"), values=values)
    assert strips_of(spans_of(rows_of_both)[0])[0].label == "lasting"
