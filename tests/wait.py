"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable

_POLL_S = 0.02


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Return as soon as `condition` holds.

    Parameters
    ----------
    condition
        Asked every 20 ms; what it raises is passed on.
    timeout_s
        Safety net in seconds, far above what is expected.
    what
        What is waited for, for the message.

    Raises
    ------
    AssertionError
        If it does not come true in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(_POLL_S)
