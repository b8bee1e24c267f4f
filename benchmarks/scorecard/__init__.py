"""The scorecard: every detector alone and the live combination, measured on labelled sets, as a page with pictures.

Run: `make scorecard`, or `python -m benchmarks.scorecard --help` for part of it.
"""
