from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from simulators.recorded_selection import Selection, TopicFilters
from simulators.recording import RecordedMessage

START = datetime(2026, 3, 14, 12, tzinfo=UTC)

levels = st.sampled_from(["", "a", "b", "$x", "a.b", "ä\n"])
topics = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
filters = st.builds(
    lambda parts, rest: "/".join(parts + rest),
    st.lists(levels | st.just("+"), min_size=0, max_size=4),
    st.sampled_from([[], ["#"]]),
).filter(bool)


@given(filters, topics)
@example("a/#", "a")
@example("#", "$x/a")
@example("+/a", "$x/a")
@example("$x/#", "$x/a")
def test_filters_match_as_a_broker_matches_them(one: str, topic: str) -> None:
    assert TopicFilters([one]).match(topic) == topic_matches_sub(one, topic)


@given(st.lists(filters, min_size=1, max_size=3), topics)
def test_a_topic_needs_to_match_one_of_several(several: list[str], topic: str) -> None:
    assert TopicFilters(several).match(topic) == any(topic_matches_sub(one, topic) for one in several)


def test_without_filters_everything_is_wanted() -> None:
    assert TopicFilters(()).match("$SYS/a\n/b")


@pytest.mark.parametrize("wrong", ["", "a#", "a/#/b", "#/a", "a/b+", "+a", "##", "a\0", "x" * 65_536])
def test_what_is_no_filter_is_refused_by_its_number(wrong: str) -> None:
    with pytest.raises(ValueError, match="topic filter 2 is none") as caught:
        TopicFilters(["a", wrong])
    assert not wrong.strip("#+") or wrong not in str(caught.value)


def test_arrivals_are_taken_from_the_first_moment_until_before_the_last() -> None:
    messages = [RecordedMessage(START + timedelta(seconds=s), "a", b"", retained=s == 2) for s in range(5)]
    every = TopicFilters(())
    chosen = Selection(every, messages[1].received_at, messages[4].received_at)
    assert list(chosen.of(messages)) == messages[1:4]
    assert list(Selection(every, skip_retained=True).of(messages)) == [*messages[:2], *messages[3:]]
    assert list(Selection(TopicFilters(["b"])).of(messages)) == []
