"""Protects against HTTP servers that redirect, or send bodies larger than memory."""

from __future__ import annotations

import zlib
from types import SimpleNamespace
from typing import Any, Final, NoReturn

import aiohttp

__all__ = ["BODY_MAX", "ENCODING", "body_of", "no_redirects"]

BODY_MAX: Final = 16 << 20  # decompressed; the longest list of instruments today has 2 MiB
ENCODING: Final = "gzip"  # accepted beside uncompressed bodies
_PIECE: Final = 16 << 10


async def body_of(reply: aiohttp.ClientResponse) -> bytes:
    """Returns the decompressed body, of at most BODY_MAX bytes: a megabyte of gzip may be a gigabyte. The session must
    not decompress itself (`auto_decompress`). Raises aiohttp.ClientPayloadError."""
    encoding = reply.headers.get("Content-Encoding", "identity").lower()
    if encoding not in (ENCODING, "identity"):
        raise aiohttp.ClientPayloadError(f"an answer packed as {encoding[:20]!r}")
    packed = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding == ENCODING else None
    body = bytearray()
    try:
        async for piece in reply.content.iter_chunked(_PIECE):
            room = BODY_MAX + 1 - len(body)
            body += piece if packed is None else packed.decompress(piece, room)
            if len(body) > BODY_MAX:
                raise aiohttp.ClientPayloadError(f"an answer of more than {BODY_MAX >> 20} MiB")
    except zlib.error:
        raise aiohttp.ClientPayloadError("an answer that is no gzip") from None
    if packed is not None and not packed.eof:
        raise aiohttp.ClientPayloadError("an answer that ends within its gzip")
    return bytes(body)


def no_redirects() -> aiohttp.TraceConfig:
    """Returns a trace that refuses redirects: WebSockets of a session would follow one with all their headers."""

    async def refuse(_session: Any, _context: SimpleNamespace, sent: Any) -> NoReturn:
        status = sent.response.status
        raise aiohttp.ClientConnectionError(f"HTTP {status} redirects: not followed")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace
