"""The words that everyone shares."""
