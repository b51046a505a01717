"""A small web server that notes what it is asked, for tests of webhooks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(self.body)
        return payload


@dataclass
class Site:
    url: str
    seen: list[Asked] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.seen]


class _Handler(BaseHTTPRequestHandler):
    """Answers 200; /broken... 500; /to/<code>?<url> redirects; /silent never answers."""

    def do_GET(self) -> None:
        page, _mark, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        self.server.site.seen.append(asked)  # type: ignore[attr-defined]
        if page.startswith("/silent"):
            self.rfile.read(1)  # ends when the client goes away
            return
        if page.startswith("/to/"):
            self.send_response(int(page.split("/")[2]))
            self.send_header("Location", query)
        else:
            self.send_response(500 if page.startswith("/broken") else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        """Say nothing of clients that go away."""


@contextmanager
def serve_hooks() -> Iterator[Site]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        site = Site(f"http://127.0.0.1:{server.server_port}")
        server.site = site  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield site
        server.shutdown()
        thread.join()
