"""Has the broker keep messages for an ingest that is not there yet."""

import threading

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from core.errors import BrokerUnavailableError
from core.settings import MqttSettings

_ANSWER_S = 15.0


def reserve_session(settings: MqttSettings) -> None:
    """Open ingest's session, subscribe in its name, and part again.

    What is published from then on waits at the broker until ingest comes for it. Must not be called while an ingest
    of that client id runs: it would lose its connection for a moment.

    Raises
    ------
    BrokerUnavailableError
        If the broker does not answer, or refuses.
    """
    subscribed = threading.Event()
    # Acknowledges nothing: what waits in the session already is ingest's to acknowledge.
    client = paho.Client(
        CallbackAPIVersion.VERSION2, settings.client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
    )
    if settings.username is not None:
        password = settings.password.get_secret_value() if settings.password else None
        client.username_pw_set(settings.username, password)
    if settings.tls:
        client.tls_set()

    def on_subscribe(
        _client: paho.Client, _userdata: object, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if not any(code.is_failure for code in codes):
            subscribed.set()

    def on_connect(
        client: paho.Client, _userdata: object, _flags: object, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if not code.is_failure:
            client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in settings.topics])

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    expiry.SessionExpiryInterval = settings.session_expiry_s
    try:
        client.connect(settings.host, settings.port, settings.keep_alive_s, clean_start=False, properties=expiry)
    except OSError as exc:
        raise BrokerUnavailableError(f"no broker at {settings.host}:{settings.port}: {exc}") from exc
    client.loop_start()
    try:
        if not subscribed.wait(_ANSWER_S):
            raise BrokerUnavailableError("the broker did not take the subscription")
    finally:
        client.disconnect()
        client.loop_stop()
