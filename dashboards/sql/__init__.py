"""SQL of the panels, variables and annotations, one query per file, with Grafana's macros and variables."""
