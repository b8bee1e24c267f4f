"""Hearing what a broker delivers, for tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


@contextmanager
def listening(broker: tuple[str, int], topic: str) -> Iterator[list[mqtt.MQTTMessage]]:
    """Yield the list into which everything published on a topic filter falls."""
    heard: list[mqtt.MQTTMessage] = []
    ready = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"listener-{uuid4().hex}", protocol=mqtt.MQTTv5)

    def subscribe(*_: object) -> None:
        client.subscribe(topic, qos=1)

    client.on_connect = subscribe
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: heard.append(message)
    client.connect(*broker)
    client.loop_start()
    try:
        assert ready.wait(10)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()
