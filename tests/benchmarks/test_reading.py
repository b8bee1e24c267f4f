"""What a person wrote survives."""

import pytest

from benchmarks.scorecard.reading import BEGIN, END, ReadingLostError, kept_reading


def test_what_stands_between_the_marks_is_kept_to_the_letter() -> None:
    text = "\n\nLamps: found.\n\n- water: *not*\n"
    assert kept_reading(f"# Scorecard\n{BEGIN}{text}{END}\n## Sets\n") == text


@pytest.mark.parametrize("page", ["", "# Scorecard\n"])
def test_a_page_without_marks_gets_a_block_to_fill(page: str) -> None:
    assert "Nobody has written" in kept_reading(page)


@pytest.mark.parametrize("page", [f"{BEGIN} text", f"text {END}", f"{END} text {BEGIN}", f"{BEGIN}a{END}{BEGIN}b{END}"])
def test_a_page_with_broken_marks_is_refused_rather_than_overwritten(page: str) -> None:
    with pytest.raises(ReadingLostError):
        kept_reading(page)
