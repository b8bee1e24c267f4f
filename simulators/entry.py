"""A message on its way to the broker, before it is put in order."""

Entry = tuple[int, int, str, bytes]
"""Due time in microseconds since 1970-01-01 UTC, a number that settles ties, topic, payload."""
