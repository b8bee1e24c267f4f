"""The `cityvigil` command: wires the rooms together."""
