"""Removes secrets from foreign texts, such as a venue's error that repeats a key.

All texts from a venue pass through here before they are read, so that later consumers (journal, report, log, a
strategy) need not care.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from urllib.parse import quote

from onetape._core import has_any

__all__ = ["Redactor"]

SHOWN = "***"
CHARS_MIN = 8  # shorter secrets are not hidden: they occur in texts by chance


class Redactor:
    """Hides some secrets, in the forms in which they travel: plain, in a URL, as hexadecimal, as base64, and the
    content of a base64 or PEM text. Its repr shows none of them."""

    __slots__ = ("_forms",)

    def __init__(self, *secrets: str) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        # Longest first, because one form may be part of another.
        self._forms = sorted(forms, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    @property
    def longest(self) -> int:
        """Returns the length of the longest form in bytes, 0 without any."""
        return len(self._forms[0]) if self._forms else 0

    def finds(self, data: bytes) -> bool:
        """Tells whether the text has one of the secrets."""
        return has_any(data, self._forms)

    def hidden(self, data: bytes, *more: str) -> bytes:
        """Returns the text with all secrets hidden. more: additional secrets of this text, such as a signature."""
        if self.finds(data):
            for form in self._forms:
                data = data.replace(form, SHOWN.encode())
        for each in more:
            if len(each) >= CHARS_MIN and each.encode() in data:
                data = data.replace(each.encode(), SHOWN.encode())
        return data

    def text(self, text: str) -> str:
        return self.hidden(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


def _forms(secret: str) -> Iterable[bytes]:
    """Yields all forms of a secret; none for a secret shorter than CHARS_MIN."""
    secret = secret.strip()
    pieces = [secret.encode()]
    if secret.startswith("-----BEGIN "):
        # A single line of the body would already expose most of it.
        lines = [line.strip() for line in secret.splitlines() if not line.startswith("-----")]
        pieces += [line.encode() for line in lines]
        secret = "".join(lines)
        pieces.append(secret.encode())
        # The whole text as a JSON string.
        pieces.append(pieces[0].replace(b"\r", b"\\r").replace(b"\n", b"\\n"))
    try:
        decoded = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if decoded:
        pieces.append(decoded)
    for piece in pieces:
        if len(piece) < CHARS_MIN:
            continue
        yield piece
        yield piece.hex().encode()
        yield piece.hex().upper().encode()
        yield base64.b64encode(piece).rstrip(b"=")
        yield base64.urlsafe_b64encode(piece).rstrip(b"=")
        yield quote(piece, safe="").encode()
        yield quote(piece).encode()
