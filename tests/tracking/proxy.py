"""An HTTP proxy in front of a real MLflow server that can fall silent, refuse, or answer with errors on request."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.error import HTTPError

Mode = Literal["pass", "500", "hang", "lose answers"]
HANG_SECONDS = 60.0
LATE_SECONDS = 3.0


class Proxy(ThreadingHTTPServer):
    """mode: pass; answer 500 to everything; hang; or let requests through and lose their answers. late: which of the
    requests to create a run, counted from 1, are carried out late, when nobody waits for their answer."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.mode: Mode = "pass"
        self.requests = 0
        self.creates = 0
        self.late: tuple[int, ...] = ()
        self.disturbed = 0
        self.woken = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def proxy_to(target: str) -> Iterator[Proxy]:
    with Proxy(target) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.woken.set()
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.server.requests += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        mode = self.server.mode
        self.server.disturbed += mode != "pass"
        if self.path.endswith("/runs/create"):
            self.server.creates += 1
            if self.server.creates in self.server.late:
                mode = "lose answers"
                time.sleep(LATE_SECONDS)
        if mode == "500":
            self._send(500, b"the database is on fire")
            return
        if mode == "hang":
            self.server.woken.wait(HANG_SECONDS)
            self.close_connection = True
            return
        headers = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")}
        request = urllib.request.Request(
            self.server.target + self.path, data=body or None, headers=headers, method=self.command
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, content = answer.status, answer.read()
        except HTTPError as error:
            status, content = error.code, error.read()
        if mode == "lose answers":
            self.close_connection = True
            return
        self._send(status, content)

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


def wait_for(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
