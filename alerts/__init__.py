"""Anomalies become incidents, incidents become messages."""
