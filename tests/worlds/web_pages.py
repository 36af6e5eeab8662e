"""A web server whose pages a test writes."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["Pages"]


class Pages:
    """bodies: by path; status and redirect_to: of every answer. requests: how often, by path; validated: whether
    somebody has said which answer they have."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.status, self.redirect_to = 200, ""
        self.requests: Counter[str] = Counter()
        self.validated = False
        pages = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = pages.bodies.get(self.path, b"")
                pages.requests[self.path] += 1
                tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
                is_same = self.headers.get("If-None-Match") == tag
                pages.validated = pages.validated or is_same
                status = 304 if is_same and pages.status == 200 else pages.status
                self.send_response(status)
                self.send_header("ETag", tag)
                if pages.redirect_to:
                    self.send_header("Location", pages.redirect_to)
                self.send_header("Content-Length", "0" if status == 304 else str(len(body)))
                self.end_headers()
                if status != 304:
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
