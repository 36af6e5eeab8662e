"""Authentication of the pages: a link that logs one browser in once, a cookie, and a key that only pages of our own
origin have.

A browser sends a cookie to every port of its host, so another user's server on this machine may see it. The cookie
alone is therefore not sufficient: the page gets the key at login, in the part of the address that browsers do not
send, and stores it where no other origin can read it. Sessions are in a file of the home, as digests only: they
survive a restart, and removing one from the file ends it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from onetape.dashboard.options import link_file
from onetape.model.errors import BadConfig, PermissionDenied
from onetape.model.time import DAY
from onetape.model.typed import from_json
from onetape.security.private import private_folder
from onetape.web.auth import Unauthenticated

__all__ = ["KEY_HEADER", "PROTOCOL", "Links", "Session", "Sessions"]

COOKIE: Final = "onetape"
KEPT_DAYS: Final = 7
SECRET_BYTES: Final = 32
SESSIONS_MAX: Final = 64  # beyond these the oldest ends
KEY_HEADER: Final = "X-Onetape-Key"
PROTOCOL: Final = "onetape"  # of a WebSocket, which a page cannot give a header: the key follows this word
_TODO: Final = "open the link that onetape up prints"


class Session(msgspec.Struct, frozen=True):
    """A logged-in browser. id: as on tapes; cookie, key: SHA-256 of these, in hex; expires: ns UTC."""

    id: str
    cookie: str
    key: str
    expires: int
    read_only: bool = False

    @property
    def ticket(self) -> str:
        """Returns the token in the address of a report: a report is a page without an origin, and has no key."""
        return _digest(f"report {self.key}")


class Sessions:
    """Creates, finds and ends sessions. is_secure: cookies are sent over TLS alone. The name of a cookie includes
    the port, because browsers share cookies between ports of a host. Raises BadConfig, PermissionDenied for a file
    that others may read."""

    def __init__(self, home: Path, *, is_secure: bool = False) -> None:
        self._path, self._is_secure = home / "state" / "dashboard.sessions", is_secure
        self._seen: tuple[int, int, int] | None = None
        self._sessions: list[Session] = []
        self.all()

    def all(self) -> list[Session]:
        """Returns the valid sessions, from the present file."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._seen, self._sessions = None, []
            return []
        if (seen := (stat.st_mtime_ns, stat.st_ino, stat.st_size)) != self._seen:
            if stat.st_mode & 0o077:
                todo = f"chmod 600 {self._path}"
                raise PermissionDenied("others may read the sessions' file", location=str(self._path), todo=todo)
            try:
                self._sessions = from_json(self._path.read_bytes(), list[Session])
            except msgspec.MsgspecError:
                todo = "remove it, and log in again"
                raise BadConfig("not a file of sessions", location=str(self._path), todo=todo) from None
            self._seen = seen
        now = time.time_ns()
        return [each for each in self._sessions if now < each.expires]

    def begin(self, *, read_only: bool = False) -> tuple[Session, str, str]:
        """Returns a new session, the value of its cookie, and its key."""
        cookie, key = secrets.token_urlsafe(SECRET_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        expires = time.time_ns() + KEPT_DAYS * DAY
        session = Session(secrets.token_hex(4), _digest(cookie), _digest(key), expires, read_only)
        self._keep([*self.all(), session][-SESSIONS_MAX:])
        return session, cookie, key

    def lock(self, session: Session) -> None:
        """Makes a session read-only for good."""
        locked = msgspec.structs.replace(session, read_only=True)
        self._keep([locked if each.id == session.id else each for each in self.all()])

    def end(self, session: Session | None) -> None:
        """Ends a session, None: all of them."""
        self._keep([each for each in self.all() if session is not None and each.id != session.id])

    def cookie(self, value: str, port: int) -> str:
        """Returns the header's value that sets the cookie of a session, or with "" removes it."""
        age = KEPT_DAYS * 86400 if value else 0
        words = f"{COOKIE}{port}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}"
        return words + ("; Secure" if self._is_secure else "")

    def of(self, headers: Mapping[str, str], port: int) -> Session:
        """Returns the session of a request's cookie. Raises Unauthenticated."""
        # Not SimpleCookie, which drops everything after a malformed cookie of another port.
        found = (each.strip().partition("=") for each in headers.get("Cookie", "").split(";"))
        digest = _digest(next((value for name, _, value in found if name == f"{COOKIE}{port}"), ""))
        session = None
        for each in self.all():
            if hmac.compare_digest(each.cookie, digest):
                session = each
        if session is None:
            raise Unauthenticated("nobody is logged in", location="Cookie", todo=_TODO)
        return session

    def check_key(self, session: Session, headers: Mapping[str, str]) -> None:
        """Raises Unauthenticated for a request that is not from our own page."""
        protocols = [each.strip() for each in headers.get("Sec-WebSocket-Protocol", "").split(",")]
        shown = headers.get(KEY_HEADER) or (protocols[-1] if protocols[0] == PROTOCOL else "")
        if not hmac.compare_digest(session.key, _digest(shown)):
            raise Unauthenticated("not a request of this page", location=KEY_HEADER, todo=_TODO)

    def _keep(self, sessions: list[Session]) -> None:
        private_folder(self._path.parent)
        _write(self._path, msgspec.json.encode(sessions))


class Links:
    """Keeps the login link, which is valid once: after its use the file contains a new one. address: of the server."""

    def __init__(self, home: Path, address: str) -> None:
        self._file, self._address = link_file(home), address
        self._token = ""
        self._renew()

    def take(self, token: str) -> bool:
        """Tells whether a token is the link's; uses it up."""
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            return False
        self._renew()
        return True

    def _renew(self) -> None:
        self._token = secrets.token_urlsafe(SECRET_BYTES)
        private_folder(self._file.parent)
        _write(self._file, f"{self._address}/login?token={self._token}\n".encode())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _write(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    made = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(made, "wb") as file:
        file.write(data)
    beside.replace(path)
