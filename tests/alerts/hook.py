"""A webhook to post to: a real HTTP server on a free port."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "token-of-the-crews"


class Hook:
    """Answers with the statuses that it is given, the last one for ever, and keeps what was posted.

    Attributes
    ----------
    posts
        Idempotency key and body of each request, in order of arrival.
    answered
        While it is cleared, requests wait for their answer.
    """

    def __init__(self, statuses: Sequence[int]) -> None:
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.answered = threading.Event()
        self.answered.set()
        self._statuses = list(statuses)
        self._lock = threading.Lock()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}"

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.posts]

    def take(self, key: str, body: dict[str, Any]) -> int:
        with self._lock:
            self.posts.append((key, body))
            return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]


@contextmanager
def open_hook(*statuses: int) -> Iterator[Hook]:
    hook = Hook(statuses or (200,))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = hook.take(self.headers["Idempotency-Key"], body)
            hook.answered.wait(30)
            self.send_response(status)
            if status == 301:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hook
    finally:
        hook.answered.set()
        server.shutdown()
        thread.join()
        server.server_close()
