"""Servers of public history on the loopback, as the real ones are laid out, which misbehave when
told to."""

from __future__ import annotations

import hashlib
import io
import json
import ssl
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MINUTE = 60_000


def klines(day: date, days: int) -> str:
    """Rows as the archive has them, from the beginning of a day on."""
    first = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    return "".join(
        f"{first + i * MINUTE},100.1,101.{i % 9},99.0,100.0,{i}.5,{first + (i + 1) * MINUTE - 1},0,1,0,0,0\n"
        for i in range(days * 60)  # an hour a day keeps files small
    )


@dataclass
class Fault:
    """What happens to requests whose path ends so, `times` times."""

    ending: str
    what: str  # cut, status, ignore-range, slow, drip, more, less, redirect, other-range
    value: Any = None
    times: int = 1


@dataclass
class Server:
    """Files by path. `log` has (path, Range or "") of each request."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    api: Any = None  # (path, query) -> (status, JSON value), before files
    url: str = ""

    def add_zip(self, path: str, name: str, text: str) -> bytes:
        """A zip of one csv with its checksum beside it."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(name), text)
        self.files[path] = packed.getvalue()
        reported = hashlib.sha256(packed.getvalue()).hexdigest()
        self.files[path + ".CHECKSUM"] = f"{reported}  {path.rpartition('/')[2]}\n".encode()
        return packed.getvalue()

    def requests(self, ending: str) -> list[str]:
        return [range_ for path, range_ in self.log if path.endswith(ending)]

    def fault_of(self, path: str) -> Fault | None:
        for fault in self.faults:
            if path.endswith(fault.ending) and fault.times > 0:
                fault.times -= 1
                return fault
        return None


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def plain(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            requests = self.headers.get("Range", "")
            server.log.append((self.path if parts.query else parts.path, requests))
            fault = server.fault_of(parts.path)
            if fault and fault.what == "status":
                status, headers = fault.value
                self.plain(status, b"{}", **headers)
                return
            if fault and fault.what == "redirect":
                self.plain(302, Location=fault.value)
                return
            if server.api is not None:
                status, value = server.api(parts.path, parse_qs(parts.query))
                self.plain(status, json.dumps(value).encode(), Content_Type="application/json")
                return
            body = server.files.get(parts.path)
            if body is None:
                self.plain(404, b"nothing here")
                return
            self.file(body, requests, fault)

        def file(self, body: bytes, requests: str, fault: Fault | None) -> None:
            etag = '"' + hashlib.md5(body, usedforsecurity=False).hexdigest() + '"'
            begin = 0
            same = self.headers.get("If-Range", etag) == etag
            if requests and same and not (fault and fault.what == "ignore-range"):
                begin = int(requests.removeprefix("bytes=").rstrip("-"))
                if begin >= len(body):
                    self.plain(416)
                    return
            shown = begin + 1 if fault and fault.what == "other-range" else begin
            rest = body[begin:]
            self.send_response(206 if begin else 200)
            length = len(rest)
            if fault and fault.what == "less":
                length += 1000  # more is promised than comes
            if fault and fault.what == "more":
                length -= 1000
            self.send_header("Content-Length", str(length))
            self.send_header("ETag", etag)
            if begin:
                self.send_header("Content-Range", f"bytes {shown}-{len(body) - 1}/{len(body)}")
            self.end_headers()
            if fault and fault.what == "cut":
                rest = rest[: fault.value]
            if fault and fault.what == "drip":
                step = max(len(rest) // 100, 1)
                for at in range(0, len(rest), step):
                    try:
                        self.wfile.write(rest[at : at + step])
                    except OSError:  # the other side is gone
                        break
                    time.sleep(fault.value / 100 / 4)
                self.close_connection = True
                return
            if fault and fault.what == "slow":
                self.wfile.write(rest[:100])
                self.wfile.flush()
                time.sleep(fault.value)
                rest = rest[100:]
            self.wfile.write(rest)
            self.close_connection = True

    return Handler


@contextmanager
def serving(server: Server, *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """The server on a free port of the loopback."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    http.block_on_close = False
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
