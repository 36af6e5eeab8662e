"""HTTP/1.1 requests in their plain form, read from bytes; no I/O.

Trading clients send a method, a target, a few headers, and a body of known length. That form is
read by the core, strictly and fast (`core/text/http_request.hpp`). Anything else (an upgrade,
chunks, `Expect`, another version, a header twice, bytes that do not belong there) raises
`NotPlain`: it is a matter for a whole HTTP server.
"""

from __future__ import annotations

from typing import Any, Final

from onetape._core import read_http

__all__ = ["BODY_MAX", "HEAD_MAX", "NotPlain", "RawRequest", "read_request"]

HEAD_MAX: Final = 16_384
BODY_MAX: Final = 1 << 20

# Method, path and query as they were sent, headers by names in lower case, the body, and where the
# next request begins.
RawRequest = tuple[str, str, str, dict[str, str], bytes, int]


class NotPlain(Exception):  # noqa: N818 - not wrong, only not for this reader
    """Says that the request has another form; nothing of it has been taken."""


def read_request(data: bytes | bytearray, start: int = 0) -> RawRequest | None:
    """Returns the request that begins at `start`; None: it is not all there yet. Raises NotPlain."""
    found: Any = read_http(data, start)
    if found is False:
        raise NotPlain
    read: RawRequest | None = found
    return read
