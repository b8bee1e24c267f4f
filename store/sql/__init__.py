"""The SQL text of the store: migrations and one query per file."""
