"""Pure functions from values to MQTT topic and payload, one module per wire format."""
