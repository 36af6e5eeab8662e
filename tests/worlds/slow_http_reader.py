"""How plain requests are read, written to be looked at: what the reader of the core is held to."""

from __future__ import annotations

import re

HEAD_MAX, BODY_MAX = 16_384, 1 << 20
METHODS = {"GET", "POST", "PUT", "DELETE"}
OTHERS = {"upgrade", "transfer-encoding", "expect", "te", "trailer"}
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
# In a head: controls, what is not ASCII, a line end that is half of one.
BAD = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]|\r(?!\n)|(?<!\r)\n")


def read_slowly(data: bytes, start: int = 0):
    """As `read_http` gives it."""
    head_end = data.find(b"\r\n\r\n", start, start + HEAD_MAX)
    if head_end < 0:
        return False if len(data) - start >= HEAD_MAX else None
    raw = data[start:head_end]
    if BAD.search(raw):
        return False
    first, *lines = raw.decode("ascii").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.partition(" ")
    if version != "HTTP/1.1" or method not in METHODS or not re.match(r"/[!-~]*\Z", target):
        return False
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not TOKEN.match(name) or name.lower() in headers:
            return False
        headers[name.lower()] = value.strip(" \t")
    if OTHERS & headers.keys() or headers.get("connection", "keep-alive").lower() != "keep-alive":
        return False
    length = headers.get("content-length", "0")
    if not re.match(r"[0-9]{1,7}\Z", length) or int(length) > BODY_MAX:
        return False
    body_start = head_end + 4
    end = body_start + int(length)
    if len(data) < end:
        return None
    path, _, query = target.partition("?")
    return method, path, query, headers, data[body_start:end], end
