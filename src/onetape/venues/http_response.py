"""HTTP/1.1 responses of a connection, read from bytes as they come. No I/O.

Strict, because a misread answer would be a wrong state of an order: anything that leaves the end of a response
ambiguous is refused (a length and chunks, two lengths, neither of them, a length that is no plain number, a folded
header). Source: RFC 9112.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from onetape.model.errors import VenueProtocolError

__all__ = ["Response", "ResponseReader"]

HEAD_MAX: Final = 32 * 1024
BODY_MAX: Final = 4 * 1024 * 1024  # of answers to orders, which have some hundred bytes
CHUNK_LINE_MAX: Final = 256
_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class Response(NamedTuple):
    """An HTTP response. headers: names in lower case; of a repeated header the last one counts, but a repeated length
    is refused."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def keeps(self) -> bool:
        """Tells whether the connection stays open after this response."""
        return self.headers.get("connection", "").lower() != "close"


class ResponseReader:
    """Reads the responses of one connection. A reader that has raised must not be used again."""

    def __init__(self, venue: str = "") -> None:
        self._venue = venue
        self._buffer = bytearray()
        self._status = 0
        self._headers: dict[str, str] | None = None  # None: the response's head is incomplete
        self._length = 0  # of the body, or of the rest of it in this chunk
        self._chunked = False
        self._in_chunk = False
        self._in_trailer = False
        self._body = bytearray()

    @property
    def is_between(self) -> bool:
        """Tells whether no response is incomplete."""
        return not self._buffer and self._headers is None

    def feed(self, data: bytes) -> list[Response]:
        """Takes bytes, and returns the responses that they complete. Raises VenueProtocolError."""
        self._buffer += data
        found: list[Response] = []
        while True:
            if self._headers is None and not self._read_head():
                return found
            done = self._read_chunks() if self._chunked else self._read_body()
            if not done:
                return found
            headers, body = self._headers or {}, bytes(self._body)
            found.append(Response(self._status, headers, body))
            self._headers, self._chunked = None, False
            self._body.clear()

    # --- head -------------------------------------------------------------------------------------

    def _read_head(self) -> bool:
        """Reads a head; tells whether it was complete. Heads of 1xx responses are skipped."""
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0 and len(self._buffer) <= HEAD_MAX:
                self._check_begin()
                return False
            if end < 0 or end > HEAD_MAX:
                raise self._wrong("a head of 32 KiB at most")
            head = bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            lines = head.split(b"\r\n")
            self._status = self._status_of(lines[0])
            headers = self._headers_of(lines[1:])
            if self._status >= 200:
                self._frame(headers)
                return True

    def _check_begin(self) -> None:
        begun = bytes(self._buffer[:5])
        if not b"HTTP/".startswith(begun) and begun != b"HTTP/":
            raise self._wrong("a response begins with HTTP/")

    def _status_of(self, line: bytes) -> int:
        parts = line.split(b" ", 2)
        code = parts[1] if len(parts) > 1 else b""
        if parts[0] != b"HTTP/1.1" or len(code) != 3 or not code.isdigit() or code < b"100":
            raise self._wrong("a status line of HTTP/1.1", line)
        return int(code)

    def _headers_of(self, lines: list[bytes]) -> dict[str, str]:
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not name or not _TOKEN.issuperset(name):
                raise self._wrong("a header is name, colon, value", line)
            if any(c < 32 and c != 9 for c in value):
                raise self._wrong("no control characters in a header", line)
            key, text = name.lower().decode(), value.strip(b" \t").decode("latin-1")
            if key in ("content-length", "transfer-encoding") and headers.get(key, text) != text:
                raise self._wrong("one length", line)
            headers[key] = text
        return headers

    def _frame(self, headers: dict[str, str]) -> None:
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        self._headers = headers
        self._length = 0
        if self._status in (204, 304):
            return
        if coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise self._wrong("chunks and nothing else", coding.encode())
            self._chunked, self._in_chunk, self._in_trailer = True, False, False
            return
        if length is None or not length.isascii() or not length.isdigit() or len(length) > 10:
            raise self._wrong("a length in plain digits", (length or "none").encode())
        self._length = int(length)
        if self._length > BODY_MAX:
            raise self._wrong("a body of 4 MiB at most", length.encode())

    # --- body -------------------------------------------------------------------------------------

    def _read_body(self) -> bool:
        if len(self._buffer) < self._length:
            return False
        self._body += self._buffer[: self._length]
        del self._buffer[: self._length]
        return True

    def _read_chunks(self) -> bool:
        while True:
            if self._in_chunk:
                if len(self._buffer) < self._length + 2:
                    return False
                if self._buffer[self._length : self._length + 2] != b"\r\n":
                    raise self._wrong("a chunk ends with its line")
                self._body += self._buffer[: self._length]
                del self._buffer[: self._length + 2]
                self._in_chunk = False
                continue
            line = self._line()
            if line is None:
                return False
            if self._in_trailer:
                if not line:
                    return True
                continue  # trailers are ignored
            size = line.partition(b";")[0].rstrip(b" \t")
            if not size or len(size) > 8 or not _HEX.issuperset(size):
                raise self._wrong("a chunk begins with its size", line)
            self._length = int(size, 16)
            if len(self._body) + self._length > BODY_MAX:
                raise self._wrong("a body of 4 MiB at most", line)
            self._in_chunk, self._in_trailer = self._length > 0, self._length == 0

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, CHUNK_LINE_MAX)
        if end < 0:
            if len(self._buffer) >= CHUNK_LINE_MAX:
                raise self._wrong("a line of 256 bytes at most")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _wrong(self, rule: str, evidence: bytes = b"") -> VenueProtocolError:
        shown = evidence or bytes(self._buffer[:80])
        return VenueProtocolError(self._venue or "HTTP", rule, repr(shown))
