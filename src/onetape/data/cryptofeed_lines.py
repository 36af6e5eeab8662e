"""Parse the envelope of cryptofeed's recordings, line by line.

    <local s>: <message>                      received on the WebSocket
    wss://<address> <-> <local s>             connected
    wss://<address> <- <local s>: <message>   sent
    https://<address> -> <local s>: <body>    answered to a request

Seconds have up to nine decimals. Messages are on one line each.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

from onetape.data.source import OnRead, Source

# A snapshot of a whole book is one line: the largest seen have some 2 MB.
LINE_BYTES_MAX: Final = 16 << 20
_RECEIPT_NS_MIN: Final = 10**17  # 1973
_RECEIPT_NS_MAX: Final = 2**63 - 1


class LineKind(Enum):
    RECEIVED = 1
    CONNECTED = 2
    SENT = 3
    ANSWERED = 4
    BAD = 5


class Line(NamedTuple):
    """One line of a recording. body: ends in a newline; for a BAD line it is the reason. url: "" for received
    messages."""

    kind: LineKind
    receipt: int
    number: int
    url: str
    body: bytes
    whole: bytes = b""


def lines_of(source: Source, on_read: OnRead | None = None) -> Iterator[Line]:
    """Yields all lines that are not blank, in constant memory. Lines count from 1."""
    for number, text, fault in _split(source, on_read):
        if fault:
            yield Line(LineKind.BAD, 0, number, "", fault, text)
        elif text != b"\n":
            yield parse_line(text, number)


def is_recording(head: bytes) -> bool:
    """Returns True if a file with this beginning is a recording: it begins with a connection or an answer."""
    line = head.lstrip().partition(b"\n")[0]
    return bool(line) and bool(parse_line(line + b"\n", 1).url)


def parse_line(text: bytes, number: int) -> Line:
    """Parses one line, which ends in a newline."""
    if 48 <= text[0] <= 57:
        stamp, colon, body = text.partition(b": ")
        receipt = _receipt(stamp) if colon else 0
        if receipt:
            return Line(LineKind.RECEIVED, receipt, number, "", body, text)
        return _bad(text, number, b"does not begin with seconds, a colon and a blank")
    head, _, rest = text.partition(b" ")
    if not head.startswith((b"wss://", b"ws://", b"https://", b"http://")):
        return _bad(text, number, b"is neither a message nor a line of a connection")
    arrow, _, rest = rest.partition(b" ")
    stamp, colon, body = rest.partition(b": ")
    receipt = _receipt(stamp.strip())
    url = head.decode("ascii", "replace")
    if arrow == b"<->" and receipt:
        return Line(LineKind.CONNECTED, receipt, number, url, b"", text)
    if arrow == b"<-" and receipt and colon:
        return Line(LineKind.SENT, receipt, number, url, body, text)
    if arrow == b"->" and receipt and colon:
        return Line(LineKind.ANSWERED, receipt, number, url, body, text)
    return _bad(text, number, b"has an address, and no time or arrow that we know")


def _bad(text: bytes, number: int, why: bytes) -> Line:
    return Line(LineKind.BAD, 0, number, "", why, text)


def _receipt(stamp: bytes) -> int:
    """Returns ns, 0 for an invalid time."""
    whole, _, fraction = stamp.partition(b".")
    # Plain ASCII digits: int() would also take blanks, signs and underscores.
    if not whole.isdigit() or not (fraction.isdigit() or not fraction) or len(stamp) > 30:
        return 0
    receipt = int(whole) * 1_000_000_000 + int(fraction[:9].ljust(9, b"0") or 0)
    return receipt if _RECEIPT_NS_MIN <= receipt <= _RECEIPT_NS_MAX else 0


def _split(source: Source, on_read: OnRead | None) -> Iterator[tuple[int, bytes, bytes]]:
    """Yields (number, line with its newline, the reason if it is bad)."""
    number, carry = 0, b""
    skipping = False  # inside a too long line
    for chunk in source.chunks(on_read):
        pieces = chunk.split(b"\n")
        carry += pieces[0]
        if len(pieces) > 1:
            if skipping:
                skipping = False
            else:
                number += 1
                yield number, _ended(carry), b""
            for piece in pieces[1:-1]:
                number += 1
                yield number, _ended(piece), b""
            carry = pieces[-1]
        if len(carry) > LINE_BYTES_MAX:
            if not skipping:
                number += 1
                yield number, carry[:200], b"line is longer than 16 MiB"
            skipping, carry = True, b""
    if carry and not skipping:
        yield number + 1, _ended(carry), b""


def _ended(line: bytes) -> bytes:
    # A carriage return before the newline belongs to the newline.
    return (line[:-1] if line.endswith(b"\r") else line) + b"\n"


__all__ = ["LINE_BYTES_MAX", "Line", "LineKind", "is_recording", "lines_of", "parse_line"]
