"""HTTP/1.1 requests in their plain form, read from bytes; no I/O.

Trading clients send a method, a target, a few headers, and a body of known length. That form is
read here, strictly and fast. Anything else (an upgrade, chunks, `Expect`, another version, a header
twice, bytes that do not belong there) raises `NotPlain`: it is a matter for a whole HTTP server.
Source: RFC 9110 and RFC 9112.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["BODY_MAX", "HEAD_MAX", "NotPlain", "RawRequest", "read_request"]

HEAD_MAX: Final = 16_384
BODY_MAX: Final = 1 << 20
METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE"})
# What a plain request says nothing of.
_OTHERS: Final = frozenset({"upgrade", "transfer-encoding", "expect", "te", "trailer"})
_END: Final = b"\r\n\r\n"
_TARGET: Final = re.compile(r"/[!-~]*\Z")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
# In a head: controls, what is not ASCII, a line end that is half of one.
_BAD: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]|\r(?!\n)|(?<!\r)\n")


class NotPlain(Exception):  # noqa: N818 - not wrong, only not for this reader
    """The request has another form; nothing of it has been taken."""


class RawRequest(NamedTuple):
    """`path` and `query` as they were sent; header names in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


def read_request(data: bytes | bytearray, start: int = 0) -> tuple[RawRequest, int] | None:
    """The request that begins at `start`, and where the next one begins; None: it is not all there
    yet. Raises NotPlain."""
    head_end = data.find(_END, start, start + HEAD_MAX)
    if head_end < 0:
        if len(data) - start >= HEAD_MAX:
            raise NotPlain
        return None
    raw = bytes(data[start:head_end])
    if _BAD.search(raw) is not None:
        raise NotPlain
    lines = raw.decode("ascii").split("\r\n")
    method, _, rest = lines[0].partition(" ")
    target, _, version = rest.partition(" ")
    if version != "HTTP/1.1" or method not in METHODS or _TARGET.match(target) is None:
        raise NotPlain
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name = _header_name(name)
        if not colon or not name or name in headers:
            raise NotPlain
        headers[name] = value.strip(" \t")
    if not _OTHERS.isdisjoint(headers):
        raise NotPlain
    if headers.get("connection", "keep-alive").lower() != "keep-alive":
        raise NotPlain
    body_start = head_end + len(_END)
    length = _length(headers.get("content-length", "0"))
    end = body_start + length
    if len(data) < end:
        return None
    path, _, query = target.partition("?")
    return RawRequest(method, path, query, headers, bytes(data[body_start:end])), end


def _length(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 7 or int(text) > BODY_MAX:
        raise NotPlain
    return int(text)


@lru_cache(maxsize=256)
def _header_name(raw: str) -> str:
    """In lower case, "" for none."""
    return raw.lower() if _TOKEN.match(raw) else ""
