"""The gallery: one YAML file per scenario."""
