"""HTTP/1.1 requests in their plain form, read from bytes; no I/O.

Trading clients send a method, a target, a few headers, and a body of known length. The core reads that form, strictly
and fast (`core/text/http_request.hpp`). Any other form (an upgrade, chunks, `Expect`, another version, a header twice,
extra bytes) raises `NotPlain`: it needs a full HTTP server.
"""

from __future__ import annotations

from typing import Any, Final

from onetape._core import read_http

__all__ = ["BODY_MAX", "HEAD_MAX", "NotPlain", "RawRequest", "read_request"]

HEAD_MAX: Final = 16_384
BODY_MAX: Final = 1 << 20

# Method, path and query as sent, headers by names in lower case, the body, and the begin of the next request.
RawRequest = tuple[str, str, str, dict[str, str], bytes, int]


class NotPlain(Exception):  # noqa: N818 - not wrong, only not for this reader
    """A request has another form; nothing of it has been consumed."""


def read_request(data: bytes | bytearray, start: int = 0) -> RawRequest | None:
    """Returns the request that begins at byte `start`; None: it is incomplete. Raises NotPlain."""
    found: Any = read_http(data, start)
    if found is False:
        raise NotPlain
    read: RawRequest | None = found
    return read
