"""A broker of which each byte is the test's own, for what a real one does only on a bad day."""

import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Self

CONNECT, PUBACK, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 4, 8, 12, 14
TIMEOUT_S = 20.0


def _text(value: bytes) -> bytes:
    return struct.pack("!H", len(value)) + value


def _length(value: int) -> bytes:
    encoded = b""
    while True:
        value, digit = divmod(value, 128)
        encoded += bytes([digit | 0x80 if value else digit])
        if not value:
            return encoded


def publish_packet(
    topic: bytes,
    payload: bytes,
    packet_id: int = 0,
    flags: int = 0,
    user_properties: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Return an MQTT 5 PUBLISH; QoS 1 if there is a packet id. `flags`: 8 for DUP, 1 for retained."""
    properties = b"".join(b"\x26" + _text(n.encode()) + _text(v.encode()) for n, v in user_properties)
    body = _text(topic) + (struct.pack("!H", packet_id) if packet_id else b"")
    body += _length(len(properties)) + properties + payload
    return bytes([0x30 | flags | (2 if packet_id else 0)]) + _length(len(body)) + body


class Peer:
    """The broker's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(TIMEOUT_S)

    def packet(self) -> tuple[int, bytes]:
        """Return type and body of the next packet; type 0 at the end of the connection."""
        try:
            first = self.sock.recv(1)
            if not first:
                return 0, b""
            length, shift = 0, 0
            while True:
                digit = self._exactly(1)[0]
                length |= (digit & 0x7F) << shift
                shift += 7
                if digit < 0x80:
                    return first[0] >> 4, self._exactly(length)
        except ConnectionResetError:
            return 0, b""

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self.sock.recv(count - len(data))
        return data

    def greet(self, *, session_present: bool = False, connack: int = 0, suback: int = 1) -> bytes:
        """Answer CONNECT and SUBSCRIBE, and return what CONNECT said."""
        kind, connect = self.packet()
        assert kind == CONNECT
        self.sock.sendall(bytes([0x20, 3, session_present, connack, 0]))
        if not connack:
            kind, subscribe = self.packet()
            assert kind == SUBSCRIBE
            self.sock.sendall(b"\x90\x04" + subscribe[:2] + bytes([0, suback]))
        return connect

    def acknowledged(self) -> list[int]:
        """Return the packet ids that are acknowledged from here to the end of the connection."""
        ids = []
        while (packet := self.packet())[0] not in {0, DISCONNECT}:
            if packet[0] == PUBACK:
                ids.append(struct.unpack("!H", packet[1][:2])[0])
        return ids

    def cut(self) -> None:
        """End the connection without a word."""
        self.sock.close()


class FakeBroker:
    """Listens on a free port of this machine."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TIMEOUT_S)
        self._peers: list[Peer] = []
        self.port: int = self._listener.getsockname()[1]

    def accept(self) -> Peer:
        """Wait for the next connection."""
        peer = Peer(self._listener.accept()[0])
        self._peers.append(peer)
        return peer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for peer in self._peers:
            peer.cut()
        self._listener.close()
