"""A network between two processes that a test can cut."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


class Proxy:
    """Passes bytes on between whoever connects and a server.

    Parameters
    ----------
    server
        Where the bytes go.
    swallow
        Told what a client sends, before it is passed on; if it says yes, no answer to that reaches the client and the
        connection is cut when the answer comes.
    """

    def __init__(self, server: Address, swallow: Callable[[bytes], bool] = lambda _: False) -> None:
        self._server = server
        self._swallow = swallow
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.connections = 0

    @property
    def port(self) -> int:
        """Port that the proxy listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    def cut(self) -> None:
        """Cut every connection that there is; new ones are welcome."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            family = socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET
            server = socket.socket(family)
            try:
                server.connect(self._server)
            except OSError:
                client.close()
                server.close()
                continue
            lost = threading.Event()
            with self._lock:
                self.connections += 1
                self._pairs.append((client, server))
            for target, ends in ((self._forth, (client, server)), (self._back, (server, client))):
                thread = threading.Thread(target=target, args=(*ends, lost), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _forth(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._swallow(data):
                    lost.set()
                server.sendall(data)
        _shut(server)

    def _back(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if lost.is_set():
                    break
                client.sendall(data)
        _shut(client)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def close_for_good(self) -> None:
        """Cut every connection and take no new one."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(10)
        self.cut()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close_for_good()
        for thread in self._threads:
            thread.join(10)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
