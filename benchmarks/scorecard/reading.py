"""What a person has concluded from the figures: kept when the page is made anew."""

import re

BEGIN, END = "<!-- reading -->", "<!-- /reading -->"

_NOTHING_YET = "\nNobody has written down yet what follows from these figures.\n"


class ReadingLostError(Exception):
    """The page that is there has only one of the two marks, so what stands between them cannot be told."""


def kept_reading(page: str) -> str:
    """Return what stands between the marks of a page, exactly as it stands there.

    Parameters
    ----------
    page
        Empty if there is none yet.

    Raises
    ------
    ReadingLostError
        If one mark is missing, or a mark is there twice.
    """
    if BEGIN not in page and END not in page:
        return _NOTHING_YET
    found = re.fullmatch(f".*?{re.escape(BEGIN)}(.*){re.escape(END)}.*?", page, re.DOTALL)
    if found is None or page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ReadingLostError(f"needs {BEGIN} and behind it {END}, each once")
    return found[1]
