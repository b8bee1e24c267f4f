"""Numbered, forward-only changes of the schema; each runs once, in one transaction."""
