"""Measures of detection on labelled series: what `cityvigil evaluate` writes into its summary."""
