#!/bin/sh
# Writes the broker's password file from the environment, then becomes the broker.
set -eu
umask 077
mkdir -p /mosquitto/secrets
: > /mosquitto/secrets/passwords
mosquitto_passwd -b /mosquitto/secrets/passwords "$MQTT_USERNAME" "$MQTT_PASSWORD"
chown -R mosquitto:mosquitto /mosquitto/secrets /mosquitto/data
exec mosquitto -c /mosquitto/config/mosquitto.conf
