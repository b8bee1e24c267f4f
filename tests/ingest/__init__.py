"""Decoders and the ingest service."""
