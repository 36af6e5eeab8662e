"""Checks the address of a database server, which may contain a password: it must parse in one way only, and is
hidden in drivers' errors."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from onetape.model.errors import BadConfig
from onetape.security.redaction import SHOWN, Redactor

__all__ = ["check_address", "hidden"]

# Parsers disagree on whether such a character ends the password; a piece of the password could become a host.
_ADDRESS: Final = re.compile(r"[a-z0-9+]+://(?:[^:@/?#\[\]]*(?::(?P<password>[^:@/?#\[\]]*))?@)?[^@]*")
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^:@/?#\[\]\s]*)(?::\d{1,5})?(?:[/?#].*)?")


def check_address(url: str, location: str) -> None:
    """Raises BadConfig for an ambiguous address, with a text that contains nothing of it."""
    found = _ADDRESS.fullmatch(url)
    rest = url.partition("://")[2].rpartition("@")[2]
    if found is None or _HOST.fullmatch(rest) is None:
        raise BadConfig(
            "the address of the database can be read in more than one way",
            location=location,
            todo="in a user's name and a password write : / ? # @ [ ] as %3A %2F %3F %23 %40 %5B %5D",
        )


def hidden(url: str, text: str) -> str:
    """Returns a driver's text without the password of the address."""
    found = _ADDRESS.fullmatch(url)
    password = found["password"] if found is not None else None
    if not password:
        return text
    for each in (password, unquote(password)):
        text = Redactor(each).text(text).replace(each, SHOWN)
    return text
