"""Pure functions of series: fit, score, calibrate. No SQL, no MQTT, no HTTP, no clock of their own."""
