"""Where the tests find things."""

from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
"""Root of the project."""

SHARED = REPO.parent / "shared"
"""Recorded feeds and labelled data, kept beside the project; tests that need them skip where it is absent."""
