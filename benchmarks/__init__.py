"""Measurements of City Vigil, each run by hand."""
