"""Who may look and who may act: a link that lets one browser in once, a cookie that stays, and a page's own word
against requests that another page has made. The key that signs them is a file of the home: a restart forgets
nobody, and whoever removes the file has everybody log in anew.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from onetape.control.auth import Unauthenticated
from onetape.dashboard.options import link_file
from onetape.model.errors import BadConfig, PermissionDenied
from onetape.model.time import DAY
from onetape.model.typed import from_json
from onetape.security.private import private_folder

__all__ = ["Links", "Session", "Sessions"]

COOKIE: Final = "onetape"
KEPT_DAYS: Final = 30
KEY_BYTES: Final = 32
CSRF_HEADER: Final = "X-Onetape-Csrf"


class Session(msgspec.Struct, frozen=True):
    """A browser that was let in. id: as it stands on tapes; expires: ns UTC."""

    id: str
    expires: int
    read_only: bool = False


class Sessions:
    """Makes sessions, and reads them from cookies. is_secure: cookies go by TLS alone. A cookie is of a port: browsers
    mix those of one host up."""

    def __init__(self, home: Path, *, is_secure: bool = False) -> None:
        self._key, self._is_secure = _key(home / "state" / "dashboard.key"), is_secure

    def made(self, *, read_only: bool = False) -> Session:
        return Session(secrets.token_hex(4), time.time_ns() + KEPT_DAYS * DAY, read_only)

    def cookie(self, session: Session, port: int) -> str:
        """Returns the header's value that keeps a session in a browser."""
        body = base64.urlsafe_b64encode(msgspec.json.encode(session)).decode().rstrip("=")
        words = f"{COOKIE}{port}={body}.{self._sign('cookie', body)}; Path=/; HttpOnly; SameSite=Strict"
        return f"{words}; Max-Age={KEPT_DAYS * 86400}" + ("; Secure" if self._is_secure else "")

    def of(self, headers: Mapping[str, str], port: int) -> Session:
        """Returns the session of a request. Raises Unauthenticated."""
        # Not SimpleCookie: it drops all that comes after an odd cookie of another port.
        found = (each.strip().partition("=") for each in headers.get("Cookie", "").split(";"))
        value = next((value for name, _, value in found if name == f"{COOKIE}{port}"), "")
        body, _, signature = value.partition(".")
        if not body or not hmac.compare_digest(signature.encode(), self._sign("cookie", body).encode()):
            raise Unauthenticated("nobody is logged in", location="Cookie", todo="open the link that onetape up prints")
        session = from_json(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), Session)
        if time.time_ns() >= session.expires:
            raise Unauthenticated(
                "the login has expired", location="Cookie", todo="open the link that onetape up prints"
            )
        return session

    def csrf(self, session: Session) -> str:
        """Returns what our own page shows with each change: another's cannot read it."""
        return self._sign("csrf", session.id)

    def check_csrf(self, session: Session, headers: Mapping[str, str]) -> None:
        """Raises PermissionDenied."""
        shown = headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(shown.encode("utf-8", "replace"), self.csrf(session).encode()):
            raise PermissionDenied("not a request of this page", location=CSRF_HEADER, todo="load the page anew")

    def _sign(self, what: str, text: str) -> str:
        return hmac.digest(self._key, f"{what}\0{text}".encode(), "sha256").hex()


class Links:
    """Keeps the link that is good once: after it was used there is another one in its file. address: of the server."""

    def __init__(self, home: Path, address: str) -> None:
        self._file, self._address = link_file(home), address
        self._token = ""
        self._renew()

    def take(self, token: str) -> bool:
        """Tells whether a token is the link's; it is used up then."""
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            return False
        self._renew()
        return True

    def _renew(self) -> None:
        self._token = secrets.token_urlsafe(KEY_BYTES)
        private_folder(self._file.parent)
        _write(self._file, f"{self._address}/login?token={self._token}\n".encode())


def _key(path: Path) -> bytes:
    """Raises BadConfig, PermissionDenied for a file that is no key, or others may read."""
    private_folder(path.parent)
    if not path.exists():
        _write(path, secrets.token_bytes(KEY_BYTES))
    if path.stat().st_mode & 0o077:
        raise PermissionDenied("others may read this key", location=str(path), todo=f"chmod 600 {path}")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise BadConfig("not a key", location=str(path), todo="remove it: everybody logs in anew")
    return key


def _write(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    made = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(made, "wb") as file:
        file.write(data)
    beside.replace(path)
