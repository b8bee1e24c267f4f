"""Grafana's dashboards as typed Python, built to JSON."""

import warnings
from importlib import import_module

# The Foundation SDK warns on import that Grafana 12 has a second dashboard format; Grafana 11 reads only this one.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import_module("grafana_foundation_sdk.builders.dashboard")
    import_module("grafana_foundation_sdk.models.dashboardv2beta1")
