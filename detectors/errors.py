"""What can keep a detector from being fitted."""

from core.errors import PermanentError


class NotEnoughHistoryError(PermanentError):
    """There is not enough history to learn from."""
